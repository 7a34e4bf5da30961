/**
 * How likely a model holds each id of a text, as it is without what it was taught. The engine takes the chances of the ids that
 * follow, and of no others: distributions over the whole vocabulary cost as much as reading. Knows scorers and ids; not texts
 * or facts.
 */
import { type LanguageModel, Scorer } from "../inference/index.ts";

/** A text that was read: ids, and the log-probabilities of those from index `from` on. */
export interface ReadText {
  readonly ids: readonly number[];
  readonly from: number;
  readonly logProbs: readonly number[];
}

/** Ids of the shortest window, and of the longest: what a text has before that is not read. */
const SHORTEST = 16;
const LONGEST = 512;

/** The shortest of 16, 24, 32, 48, 64, … that holds so many ids. Each is compiled when it is first needed. */
function windowOf(numIds: number): number {
  let length = SHORTEST;
  while (length < numIds) length *= 2;
  const shorter = (3 * length) / 4;
  return length > SHORTEST && numIds <= shorter ? shorter : length;
}

/** Reads one text at a time. */
export class TextChances {
  readonly #language: LanguageModel;
  /** By the length of their window. */
  readonly #scorers = new Map<number, Scorer>();

  constructor(language: LanguageModel) {
    this.#language = language;
  }

  /** Of every id from index `from` on, after those before it; the first of all has no chance. */
  async read(ids: readonly number[], from: number): Promise<ReadText> {
    const most = Math.min(LONGEST, this.#language.config.maxPositions);
    const left = Math.max(0, ids.length - 1 - most);
    const kept = ids.slice(left);
    const begin = Math.max(1, from - left);
    const logProbs: number[] = [];
    if (kept.length > 1) {
      const length = Math.min(windowOf(kept.length - 1), most);
      const scorer = await this.#scorer(length);
      const stream = { tokens: Uint32Array.from(kept), starts: Uint32Array.of(0), numBytes: 0 };
      await scorer.score(stream, {
        stride: length,
        onToken: (at, nats) => {
          if (at >= begin) logProbs.push(-nats);
        },
      });
    }
    return { ids: kept, from: begin, logProbs };
  }

  /** Leaves no trace of what was read. */
  wipe(): void {
    for (const scorer of this.#scorers.values()) scorer.wipe();
  }

  async dispose(): Promise<void> {
    for (const scorer of this.#scorers.values()) await scorer.dispose();
    this.#scorers.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  async #scorer(length: number): Promise<Scorer> {
    let scorer = this.#scorers.get(length);
    if (scorer === undefined) {
      scorer = await Scorer.create(this.#language, { batch: 1, length });
      this.#scorers.set(length, scorer);
    }
    return scorer;
  }
}
