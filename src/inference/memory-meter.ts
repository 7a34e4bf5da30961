/**
 * What the memory cost the steps of a decoder: how many had to begin before their rows were there, how long the
 * engine stood still for rows, and how good the guesses about next tokens were. Changes nothing. Does not ask
 * stores; `reportMemory` puts what they say of themselves beside it.
 */
import type { LookUp, Memory, TableReport } from "../memory/memory.ts";

/** Since the meter was made. */
export interface MemoryCosts {
  /** Runs of the model that read rows: a prompt's piece, or one token of each of some texts. */
  readonly steps: number;
  /** What they asked for, repeats included. */
  readonly rows: number;
  /** Those steps that began before all their rows were at hand. */
  readonly stepsAhead: number;
  /** Those of these in which the engine then had to wait, and for how long altogether. */
  readonly stalls: number;
  readonly stallSeconds: number;
  /** Next tokens whose rows were asked for before they were known. */
  readonly guesses: number;
  /** Those that came true, and those that did not. The others' texts ended or are not that far. */
  readonly guessesRight: number;
  readonly guessesWrong: number;
}

export class MemoryMeter {
  readonly #costs = {
    steps: 0,
    rows: 0,
    stepsAhead: 0,
    stalls: 0,
    stallSeconds: 0,
    guesses: 0,
    guessesRight: 0,
    guessesWrong: 0,
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

  /** So many tokens are candidates for one position. */
  guessed(count: number): void {
    this.#costs.guesses += count;
  }

  /** The position's token is known: one of the candidates, or none. */
  settled(count: number, isRight: boolean): void {
    if (isRight) this.#costs.guessesRight++;
    this.#costs.guessesWrong += isRight ? count - 1 : count;
  }
}

/** All that there is to say about a memory in use: its places, its caches, what it cost. */
export interface MemoryReport extends TableReport {
  /** Absent where no session or batch has used the memory, so that nothing was measured: scoring has no steps. */
  readonly costs?: MemoryCosts;
}

/** `meter` is that of the decoder that uses the memory, if one does. */
export function reportMemory(memory: Memory, meter?: MemoryMeter): MemoryReport {
  return { ...memory.report(), ...(meter && { costs: meter.costs }) };
}
