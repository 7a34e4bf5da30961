/**
 * Rows fetched ahead of knowing that they are needed: while a step computes, those of the tokens that most often
 * followed the present one. A guess only warms caches, so a wrong one costs reading, never a result. Guesses are made
 * only while rows come late: where caches and page cache keep up, there is nothing to gain. One for all texts of a
 * decoder, which learn from each other. Knows no tensors and no sampling.
 */
import type { MemoryReader, TokenSpan } from "../memory/memory.ts";
import type { MemoryMeter } from "./memory-meter.ts";
import { Successors } from "./successors.ts";
import type { Timeline } from "./timeline.ts";

/**
 * Tokens guessed for one position. On Wikipedia, of the tokens that missed a cache of a quarter of the table, 2 guesses
 * had 18 %, 4 had 25 % and 8 had 33 %; the price is the rows of as many tokens (docs/log.md).
 */
const GUESSES = 4;
/** Steps after a late one in which hints go on; and over about as many the time that the engine stands still is averaged. */
const PATIENCE = 32;
/**
 * Milliseconds a text's step that the engine must stand still. Four guesses cost 0.1 to 0.2 ms of this thread and of the
 * server's, and a quarter of them at best spares a step its wait (docs/log.md).
 */
const WORTHWHILE = 0.25;
/** What is assumed before anything is known: some steps of guessing. */
const AT_FIRST = 4 * WORTHWHILE;

/** A text and the memory that it is read with. */
interface Reading {
  readonly timeline: Timeline;
  readonly reader: MemoryReader | undefined;
}

/** See the head of this file. For models whose memory takes hints. */
export class Guesses {
  readonly #meter: MemoryMeter;
  readonly #successors: Successors;
  readonly #open = new WeakMap<Timeline, { position: number; ids: readonly number[] }>();
  #stepsLeft = PATIENCE;
  /** How long the engine stood still, in milliseconds: in a text's step, lately; and in all until now. */
  #stall = AT_FIRST;
  #stallTime = 0;

  constructor(vocabSize: number, meter: MemoryMeter) {
    this.#meter = meter;
    this.#successors = new Successors(vocabSize);
  }

  /** Ids have been staged, from position `start` on; `isLate` if their rows were not at hand. */
  read(timeline: Timeline, { start, isLate }: { start: number; isLate: boolean }): void {
    const { ids } = timeline;
    const guess = this.#open.get(timeline);
    if (guess !== undefined) {
      this.#open.delete(timeline);
      if (guess.position === start)
        this.#meter.settled(guess.ids.length, guess.ids.includes(ids[start]!));
    }
    for (let at = Math.max(1, start); at < ids.length; at++)
      this.#successors.add(ids[at - 1]!, ids[at]!);
    this.#stepsLeft = isLate ? PATIENCE : Math.max(0, this.#stepsLeft - 1);
    const { stallTime } = this.#meter;
    this.#stall += (stallTime - this.#stallTime - this.#stall) / PATIENCE;
    this.#stallTime = stallTime;
  }

  /** Has the rows fetched that the likeliest next tokens of a text would need. */
  guess({ timeline, reader }: Reading): void {
    const { length } = timeline;
    if (this.#stepsLeft === 0 || this.#stall < WORTHWHILE || length === 0) return;
    const ids = this.#successors.after(timeline.ids.at(-1)!, GUESSES);
    if (ids.length === 0) return;
    this.#open.set(timeline, { position: length, ids });
    this.#meter.guessed(ids.length);
    const likeliestLast = ids.toReversed();
    for (const id of likeliestLast) timeline.ifNext([id], 0, (spans) => hint(reader, spans));
  }

  /** `ids` will most probably be next; the rows of all but the first `skip` are wanted. */
  expect(
    { timeline, reader }: Reading,
    { ids, skip = 0 }: { ids: readonly number[]; skip?: number },
  ): void {
    if (this.#stepsLeft === 0) return;
    timeline.ifNext(ids, skip, (spans) => hint(reader, spans));
  }
}

function hint(reader: MemoryReader | undefined, spans: readonly TokenSpan[]): void {
  reader?.hint(reader.address(spans));
}
