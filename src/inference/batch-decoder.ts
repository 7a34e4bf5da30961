/**
 * Batched decoding: slots whose caches are adjacent, so that one run of a graph appends a token to each, whatever
 * their lengths. A slot is a `Session`; prompts are appended to it alone. The owner must not overlap calls. Knows
 * nothing of requests, queues or sampling.
 *
 */
import { InvariantError } from "../errors.ts";
import type { Decoder } from "./decoder.ts";
import { type Caches, emptyCaches } from "./key-values.ts";
import type { Reading } from "./reading.ts";
import type { Session } from "./session.ts";
import { StepRunner } from "./step-runner.ts";

export interface BatchEntry {
  readonly slot: number;
  /** The token to append to the slot's session. */
  readonly id: number;
}

export class BatchDecoder {
  readonly sessions: readonly Session[];
  readonly #runner: StepRunner;

  constructor(decoder: Decoder, { slots }: { slots: number }) {
    const caches = emptyCaches(decoder, slots);
    this.sessions = Array.from({ length: slots }, (_, slot) =>
      decoder.createSession({ caches: cachesOf(caches, slot) }),
    );
    this.#runner = new StepRunner(decoder, { slots: this.sessions, caches });
  }

  /** Appends one token to each of the given slots. Returns readings in the same order, valid until the next call. */
  async step(entries: readonly BatchEntry[]): Promise<Reading[]> {
    const [only] = entries;
    if (entries.length === 1 && only !== undefined)
      return [await this.sessions[only.slot]!.append([only.id])];
    const slots = entries.map(({ slot }) => slot);
    if (new Set(slots).size !== entries.length)
      throw new InvariantError(`a slot can take one token a step, got slots ${slots.join(", ")}`);
    const full = slots.find((slot) => this.sessions[slot]!.remaining === 0);
    if (full !== undefined) throw new InvariantError(`slot ${full} is full`);
    return this.#runner.run(
      entries.map(({ slot, id }) => ({ slot, ids: [id] })),
      { batch: this.#batchFor(Math.max(...slots) + 1), length: 1 },
    );
  }

  async dispose(): Promise<void> {
    for (const session of this.sessions) await session.dispose();
    await this.#runner.dispose();
  }

  /** A run has a power of two of rows, or all slots. So there are few graphs, and at most half of a run is idle. */
  #batchFor(needed: number): number {
    let batch = 2;
    while (batch < needed) batch *= 2;
    return Math.min(batch, this.sessions.length);
  }
}

function cachesOf(caches: Caches, slot: number): Caches {
  return Object.fromEntries(
    Object.entries(caches).map(([name, { dtype, shape, data }]) => {
      const size = data.length / shape[0]!;
      const rows = data.subarray(slot * size, (slot + 1) * size);
      return [name, { dtype, shape: [1, ...shape.slice(1)], data: rows }];
    }),
  );
}
