/**
 * What the memory cost the steps of a decoder: how many began before their rows were there, how long the engine
 * stalled, and how much of the speculative prefetch was useful. Changes nothing. Does not ask stores: `reportMemory` puts
 * their own reports beside it.
 */
import type { LookUp, Memory, TableReport } from "../memory/memory.ts";

/** Since the meter was made. */
export interface MemoryCosts {
  /** Runs of the model that read rows: a piece of a prompt, or one token of each text of a batch. */
  readonly steps: number;
  /** Rows that they read, repeats included. */
  readonly rows: number;
  /** Steps that began before all of their rows were at hand. */
  readonly stepsAhead: number;
  /** Steps among these in which the engine then waited, and the time of all waits. */
  readonly stalls: number;
  readonly stallSeconds: number;
  /** Candidates for next tokens whose rows were prefetched. */
  readonly speculated: number;
  /** Candidates that were the next token, and those that were not. The rest belong to texts that ended or are not that far. */
  readonly speculatedRight: number;
  readonly speculatedWrong: number;
}

export class MemoryMeter {
  readonly #costs = {
    steps: 0,
    rows: 0,
    stepsAhead: 0,
    stalls: 0,
    stallSeconds: 0,
    speculated: 0,
    speculatedRight: 0,
    speculatedWrong: 0,
  };
  readonly #now: () => number;

  /** `now` is in milliseconds and never goes back. */
  constructor({ now = () => performance.now() }: { now?: () => number } = {}) {
    this.#now = now;
  }

  get costs(): MemoryCosts {
    return { ...this.#costs };
  }

  /** Of `costs`, in milliseconds. */
  get stallTime(): number {
    return 1000 * this.#costs.stallSeconds;
  }

  stepBegins({ isDone, numRows }: LookUp): void {
    this.#costs.steps++;
    this.#costs.rows += numRows;
    if (!isDone) this.#costs.stepsAhead++;
  }

  /** Waits for the rows of some layers. */
  async waitFor(lookUp: LookUp, layerIds: readonly number[]): Promise<boolean> {
    const late = layerIds.filter((layer) => !lookUp.hasArrived(layer));
    if (late.length === 0) return false;
    const start = this.#now();
    try {
      await Promise.all(late.map((layer) => lookUp.arrival(layer)));
    } finally {
      this.#costs.stallSeconds += (this.#now() - start) / 1000;
    }
    return true;
  }

  stalled(): void {
    this.#costs.stalls++;
  }

  /** `count` tokens are candidates for one position. */
  speculated(count: number): void {
    this.#costs.speculated += count;
  }

  /** The position's token is known: one of the candidates, or none. */
  resolved(count: number, isRight: boolean): void {
    if (isRight) this.#costs.speculatedRight++;
    this.#costs.speculatedWrong += isRight ? count - 1 : count;
  }
}

/** A memory in use: its tiers, its caches, what it cost. */
export interface MemoryReport extends TableReport {
  /** Absent where no session or batch has used the memory: scoring has no steps, so nothing was measured. */
  readonly costs?: MemoryCosts;
}

/** `meter`: of the decoder that uses the memory, if there is one. */
export function reportMemory(memory: Memory, meter?: MemoryMeter): MemoryReport {
  return { ...memory.report(), ...(meter && { costs: meter.costs }) };
}
