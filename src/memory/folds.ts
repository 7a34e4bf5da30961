/**
 * Contiguous parts of a training text. A text repeats itself nearby, so what is read at a place while a model is trained
 * must not come from that part of the text. Knows places; no ids, no memories.
 */
import { InvalidConfigError } from "../errors.ts";

export class Folds {
  readonly count: number;
  readonly #length: number;

  /** Throws `InvalidConfigError` unless `numTokens` can be cut into `count` parts, two at least. */
  constructor(numTokens: number, count: number) {
    if (!Number.isInteger(count) || count < 2 || count > numTokens)
      throw new InvalidConfigError(
        `a text of ${numTokens} tokens has 2..${numTokens} folds, got ${count}`,
      );
    this.count = count;
    this.#length = Math.ceil(numTokens / count);
  }

  /** The fold of a place; what lies behind the text belongs to the last. */
  at(place: number): number {
    return Math.min(this.count - 1, Math.floor(place / this.#length));
  }

  /** Places `from`..`to`-1. */
  range(fold: number): { from: number; to: number } {
    return { from: fold * this.#length, to: (fold + 1) * this.#length };
  }
}
