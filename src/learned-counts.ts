/**
 * What scopes have learned, as counts beside a model's own: counted when it is first asked for, and from then on only what
 * has come since. A view is of the texts of one moment. Knows counts and ids; not where texts are kept.
 */
import type { LearnedScope } from "./facts/index.ts";
import {
  BlendedCounts,
  CountedMemory,
  GrowingCounts,
  GrownCounts,
  type Memory,
} from "./memory/index.ts";

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

  /**
   * What of a text its scope has not learned: a conversation is read again with each turn, and counted once. Begins with the
   * `context` ids before, which say what it follows.
   */
  unread(ids: readonly number[], learned: LearnedScope | undefined, context: number): number[] {
    const read = learned && this.#read.get(learned);
    if (read === undefined) return [...ids];
    let known = 0;
    for (const [i, sum] of this.#sums(ids)) if (read.has(sum)) known = i + 1;
    return known === ids.length ? [] : ids.slice(Math.max(0, known - context));
  }

  /** Says that a whole text was learned. */
  noteRead(ids: readonly number[], learned: LearnedScope): void {
    const read = this.#read.get(learned) ?? new Set();
    this.#read.set(learned, read);
    const [, sum] = [...this.#sums(ids)].at(-1) ?? [0, ""];
    read.add(sum);
    for (const oldest of read) {
      if (read.size <= MOST_TEXTS) break;
      read.delete(oldest);
    }
  }

  /** Of the first 1, 2, … ids. */
  *#sums(ids: readonly number[]): Generator<[number, string]> {
    let [one, other] = this.#seeds as unknown as [number, number];
    for (const [i, id] of ids.entries()) {
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
      return new GrownCounts(counts, { identity: `${identity} ${counts.length}`, input, unigrams });
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
