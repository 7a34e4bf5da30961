/**
 * Texts that were read in order to be learned, by scope: ids alone, the oldest first. A scope keeps the last of them, up
 * to a number of ids. Knows records; not what is counted of them.
 */
import { RequestError } from "../errors.ts";
import { DEFAULT_SCOPE, isFactName } from "./fact-name.ts";
import { encodedOf } from "./contents.ts";
import { MOST_OF_TEXT, type TextRecord } from "./log-format.ts";

/** What a scope has learned. It only grows: where something of it goes, another takes its place. */
export type LearnedScope = readonly TextRecord[];

export interface LearnedSize {
  readonly scope: string;
  readonly texts: number;
  readonly tokens: number;
}

/** Ids that a scope keeps. Counting them anew after a start takes some tenths of a second. */
export const MOST_LEARNED: number = 2 ** 19;
/** What is left when a scope is full: it is written anew then, which should be seldom. */
const KEPT = (3 * MOST_LEARNED) / 4;

/** A text that a scope learns: what followed its words raises the chance that it follows them again. */
export interface TextToLearn {
  readonly ids: ArrayLike<number>;
  /** Default: "default". */
  readonly scope?: string | undefined;
}

/** Throws `RequestError` for a scope or ids that are none. */
export function checkText({ ids, scope = DEFAULT_SCOPE }: TextToLearn): {
  ids: Uint32Array;
  scope: string;
} {
  if (!isFactName(scope as unknown))
    throw new RequestError(
      `a scope's name has 1 to 64 letters, digits, "_", ".", ":" or "-", got "${scope.slice(0, 80)}"`,
    );
  const kept = Array.from(ids).slice(-MOST_OF_TEXT);
  const wrong = kept.find((id) => !(Number.isInteger(id) && id >= 0 && id < 2 ** 31));
  if (wrong !== undefined)
    throw new RequestError(`a text has the token id ${wrong}, which is none`);
  return { ids: Uint32Array.from(kept), scope };
}

export class LearnedTexts {
  readonly #scopes = new Map<string, TextRecord[]>();

  get records(): TextRecord[] {
    return [...this.#scopes.values()].flat();
  }

  get sizes(): LearnedSize[] {
    return sizesOf(this.records);
  }

  /** Undefined where a scope has learned nothing. */
  of(scope: string): LearnedScope | undefined {
    return this.#scopes.get(scope);
  }

  add(record: TextRecord): void {
    const texts = this.#scopes.get(record.scope);
    if (texts === undefined) this.#scopes.set(record.scope, [record]);
    else texts.push(record);
  }

  /** Has these from now on, in the order of their numbers. Returns whether some are gone. */
  become(records: readonly TextRecord[]): boolean {
    const before = new Map(this.#scopes);
    this.#scopes.clear();
    for (const record of records.toSorted((a, b) => a.number - b.number)) this.add(record);
    let isLess = false;
    for (const [scope, texts] of before) {
      const now = this.#scopes.get(scope) ?? [];
      // Views of what stays go on from where they are.
      if (texts.every(({ number }, i) => now[i]?.number === number)) {
        texts.push(...now.slice(texts.length));
        this.#scopes.set(scope, texts);
      } else isLess = true;
    }
    return isLess;
  }

  /** All texts with one more, without the oldest of its scope; undefined where there is room for it behind those ahead. */
  withoutOldest(record: TextRecord, ahead: readonly TextRecord[] = []): TextRecord[] | undefined {
    const own = this.#scopes.get(record.scope) ?? [];
    let size = record.ids.length;
    for (const { scope, ids } of [...own, ...ahead]) if (scope === record.scope) size += ids.length;
    if (size <= MOST_LEARNED) return undefined;
    const gone = new Set<TextRecord>();
    for (const one of own) {
      if (size <= KEPT) break;
      size -= one.ids.length;
      gone.add(one);
    }
    return [...this.records.filter((one) => !gone.has(one)), record];
  }

  /** In the log. */
  bytesOf(scope: string): number {
    return (this.#scopes.get(scope) ?? []).reduce((sum, one) => sum + encodedOf(one).length, 0);
  }
}

/** By scope. */
export function sizesOf(texts: readonly TextRecord[]): LearnedSize[] {
  return [...Map.groupBy(texts, ({ scope }) => scope)].map(([scope, own]) => ({
    scope,
    texts: own.length,
    tokens: own.reduce((sum, { ids }) => sum + ids.length, 0),
  }));
}
