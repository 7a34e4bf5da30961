/**
 * Speculative prefetch: while a step computes, asks for the rows of the tokens that most often followed the present one.
 * It only warms caches, so a wrong candidate costs a read and never changes a result. It is done only while rows come
 * late: where the caches keep up, there is nothing to gain. All texts of a decoder share it, and learn from each other.
 * Knows no tensors and no sampling.
 */
import type { MemoryReader, TokenSpan } from "../memory/memory.ts";
import type { MemoryMeter } from "./memory-meter.ts";
import { Successors } from "./successors.ts";
import type { Timeline } from "./timeline.ts";

/**
 * Candidates for one position. Of the tokens of Wikipedia that missed a cache of a quarter of the table, 2 candidates
 * had 18 %, 4 had 25 % and 8 had 33 %. The price is the rows of as many tokens (docs/log.md).
 */
const NUM_CANDIDATES = 4;
/** After a late step, hints go on for this many steps. The average of the stalls runs over about as many. */
const NUM_STEPS = 32;
/**
 * Milliseconds of stall, for each text and step, from which speculation pays. Four candidates cost 0.1 to 0.2 ms of this
 * thread and of the server's, and spare at best a quarter of the steps their wait (docs/log.md).
 */
const MIN_STALL = 0.25;
/** The average to begin with: some steps of speculation before anything is known. */
const FIRST_STALL = 4 * MIN_STALL;

/** A text and the memory that it is read with. */
interface Reading {
  readonly timeline: Timeline;
  readonly reader: MemoryReader | undefined;
}

/** For models whose memory takes hints. */
export class SpeculativePrefetch {
  readonly #meter: MemoryMeter;
  readonly #successors: Successors;
  /** The candidates for each text's next position. */
  readonly #open = new WeakMap<Timeline, { position: number; ids: readonly number[] }>();
  #stepsLeft = NUM_STEPS;
  /** Average stall of a text's step, in milliseconds. */
  #stall = FIRST_STALL;
  /** All stalls so far, in milliseconds. */
  #stallTime = 0;

  constructor(vocabSize: number, meter: MemoryMeter) {
    this.#meter = meter;
    this.#successors = new Successors(vocabSize);
  }

  /** Ids have been staged, from position `start` on; `isLate` if their rows were not at hand. */
  observe(timeline: Timeline, { start, isLate }: { start: number; isLate: boolean }): void {
    const { ids } = timeline;
    const open = this.#open.get(timeline);
    if (open !== undefined) {
      this.#open.delete(timeline);
      if (open.position === start)
        this.#meter.resolved(open.ids.length, open.ids.includes(ids[start]!));
    }
    for (let at = Math.max(1, start); at < ids.length; at++)
      this.#successors.add(ids[at - 1]!, ids[at]!);
    this.#stepsLeft = isLate ? NUM_STEPS : Math.max(0, this.#stepsLeft - 1);
    const { stallTime } = this.#meter;
    this.#stall += (stallTime - this.#stallTime - this.#stall) / NUM_STEPS;
    this.#stallTime = stallTime;
  }

  /** Asks for the rows of a text's likeliest next tokens. */
  speculate({ timeline, reader }: Reading): void {
    const { length } = timeline;
    if (this.#stepsLeft === 0 || this.#stall < MIN_STALL || length === 0) return;
    const ids = this.#successors.after(timeline.ids.at(-1)!, NUM_CANDIDATES);
    if (ids.length === 0) return;
    this.#open.set(timeline, { position: length, ids });
    this.#meter.speculated(ids.length);
    const likeliestLast = ids.toReversed();
    for (const id of likeliestLast) timeline.ifNext([id], 0, (spans) => hint(reader, spans));
  }

  /** Asks for the rows of `ids`, which will most probably be next; not for those of the first `skip`. */
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
