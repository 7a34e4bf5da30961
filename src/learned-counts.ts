/**
 * What scopes have learned, as counts beside a model's own: counted when it is first asked for, and from then on only what
 * has come since. A view is of the texts of one moment. Knows counts and ids, and which of a text is new; not how texts are
 * kept.
 */
import type { AnyStore, LearnedScope, Quota, TextToLearn } from "./facts/index.ts";
import {
  BlendedCounts,
  CountedMemory,
  GrowingCounts,
  GrownCounts,
  type Memory,
} from "./memory/index.ts";
import type { ModelConfig } from "./model/index.ts";

/** Whole texts of a scope that are remembered, by their sums. */
const MOST_TEXTS = 4096;

interface Grown {
  readonly counts: GrowingCounts;
  /** Tells these from all others'. */
  readonly identity: string;
}

export class LearnedCounts {
  /** By what was learned: where something of it is gone, it is another, and so are its counts. */
  readonly #grown = new WeakMap<LearnedScope, Grown & { taken: number }>();

  /** Sums of whole texts, the last last: nobody but this process can tell what of. */
  readonly #read = new WeakMap<LearnedScope, Set<string>>();
  readonly #seeds = crypto.getRandomValues(new Uint32Array(2));

  /** See `Model.learn`, of a model that weighs counts: a conversation is read again with each turn, and what is new of it is counted. */
  async learn(
    { ids, scope }: TextToLearn,
    { store, config, quota }: { store: AnyStore; config: ModelConfig; quota?: Quota | undefined },
  ): Promise<void> {
    const now = (): LearnedScope | undefined =>
      store.learned(scope === undefined ? undefined : [scope])[0];
    const unread = this.#unread(ids, { learned: now(), context: config.counted!.order - 1 });
    if (unread.length === 0) return;
    await store.learn({ ids: unread, scope }, quota);
    const learned = now();
    if (learned !== undefined) this.#noteRead(ids, learned);
  }

  /**
   * What of a text its scope has not learned, behind the `context` ids before, which say what it follows (and are counted
   * once more).
   */
  #unread(
    ids: ArrayLike<number>,
    { learned, context }: { learned: LearnedScope | undefined; context: number },
  ): ArrayLike<number> {
    const read = learned && this.#read.get(learned);
    if (read === undefined) return ids;
    let known = 0;
    for (const [i, sum] of this.#sums(ids)) if (read.has(sum)) known = i + 1;
    return known === ids.length ? [] : Array.from(ids).slice(Math.max(0, known - context));
  }

  /** A whole text was learned. */
  #noteRead(ids: ArrayLike<number>, learned: LearnedScope): void {
    const read = this.#read.get(learned) ?? new Set();
    this.#read.set(learned, read);
    let whole = "";
    for (const [, sum] of this.#sums(ids)) whole = sum;
    read.add(whole);
    for (const oldest of read) {
      if (read.size <= MOST_TEXTS) break;
      read.delete(oldest);
    }
  }

  /** Of the first 1, 2, … ids. */
  *#sums(ids: ArrayLike<number>): Generator<[number, string]> {
    let [one, other] = this.#seeds as unknown as [number, number];
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]!;
      one = Math.imul(one ^ id, 0x0100_0193);
      other = Math.imul(other ^ id, 0x5bd1_e995) ^ (other >>> 13);
      yield [i, `${i} ${one} ${other}`];
    }
  }

  /** `own` with what was learned before it. What one scope has learned is weighed against all else, text by text. */
  over(own: Memory, learned: readonly LearnedScope[]): Memory {
    const parts = own instanceof BlendedCounts ? own.parts : [own as CountedMemory];
    const base = parts.findLast((part) => part instanceof CountedMemory)!;
    const grown = learned.map((texts) => {
      const { counts, identity } = this.#counted(texts, base);
      const [input] = base.inputs as readonly [Memory["inputs"][number]];
      const { unigrams } = base;
      const source = (text: number) => ({
        scope: texts[text]!.scope,
        document: texts[text]!.number,
      });
      const of = { identity: `${identity} ${counts.length}`, input, unigrams, source };
      return new GrownCounts(counts, of);
    });
    return new BlendedCounts([...grown, ...parts]);
  }

  #counted(texts: LearnedScope, { numDistributions, vocabSize }: CountedMemory): Grown {
    let grown = this.#grown.get(texts);
    if (grown === undefined) {
      const counts = new GrowingCounts({ depth: numDistributions, vocabSize });
      grown = { counts, identity: `learned ${crypto.randomUUID()}`, taken: 0 };
      this.#grown.set(texts, grown);
    }
    for (; grown.taken < texts.length; grown.taken++) grown.counts.add(texts[grown.taken]!.ids);
    return grown;
  }
}
