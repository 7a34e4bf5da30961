/**
 * The longest sequences of some texts that occur word for word in a training text. The texts are short and are indexed.
 * The training text is read once, so its length costs time but no memory. Knows ids; not who wrote the texts.
 */
import type { TokenStream } from "../../inference/index.ts";
import { nextTurn } from "../../next-turn.ts";

/** Tokens `from`..`to`-1 of a text. */
export interface Run {
  readonly from: number;
  readonly to: number;
}

/** Shorter sequences are common phrases and are ignored. */
export const LEAST_RUN = 4;
/** Tokens between two checks whether to stop. */
const BREATH = 1 << 16;

interface Place {
  readonly text: number;
  readonly at: number;
}

/**
 * For each text, its longest sequence that occurs in `trained` within one document; undefined if none has `LEAST_RUN`
 * tokens.
 */
export async function longestRuns(
  texts: readonly ArrayLike<number>[],
  trained: TokenStream,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<(Run | undefined)[]> {
  const places = new Map<number, Place[]>();
  for (const [text, ids] of texts.entries())
    for (let at = 0; at + LEAST_RUN <= ids.length; at++) {
      const key = hashOf(ids, at);
      const same = places.get(key);
      if (same === undefined) places.set(key, [{ text, at }]);
      else same.push({ text, at });
    }
  const longest = texts.map((): Run | undefined => undefined);
  const { tokens, starts } = trained;
  for (const [d, begin] of starts.entries()) {
    const end = starts[d + 1] ?? tokens.length;
    for (let t = begin; t + LEAST_RUN <= end; t++) {
      if (t % BREATH === 0) {
        signal?.throwIfAborted();
        await nextTurn();
      }
      for (const { text, at } of places.get(hashOf(tokens, t)) ?? []) {
        const ids = texts[text]!;
        const best = longest[text];
        const toBeat = best === undefined ? LEAST_RUN - 1 : best.to - best.from;
        let length = 0;
        while (
          at + length < ids.length &&
          t + length < end &&
          ids[at + length] === tokens[t + length]
        )
          length++;
        if (length > toBeat) longest[text] = { from: at, to: at + length };
      }
    }
  }
  return longest;
}

/** Hash of `LEAST_RUN` ids. The sequences themselves are compared afterwards. */
function hashOf(ids: ArrayLike<number>, at: number): number {
  let hash = 0;
  for (let i = 0; i < LEAST_RUN; i++) hash = Math.imul(hash, 0x9e3779b1) + ids[at + i]!;
  return hash | 0;
}
