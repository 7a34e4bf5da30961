/**
 * Defers work of this thread, such as sending tokens to clients, until the engine's threads are busy. Knows neither
 * engine nor work.
 *
 * This thread has just woken the engine's thread. The system often puts that on the core of this thread, even if
 * other cores are free, and then it waits for as long as JavaScript runs. So this thread first sleeps for a moment:
 * the engine's thread gets the core, and this one gets another. In preset `small`, one step of two waited 0.13 to
 * 0.15 ms (docs/log.md).
 */

import { nextTurn } from "../next-turn.ts";

/** Enough for the system to reschedule. The system adds about 50 us. */
const SLEEP_MS = 0.02;
/** For shorter runs the sleep costs as much as it gains, or more. */
const SHORTEST_RUN_MS = 1;

export class BesideEngine {
  /** Undefined in a page, whose engine has no thread to wait for. */
  readonly #never =
    typeof SharedArrayBuffer === "undefined" ? undefined : new Int32Array(new SharedArrayBuffer(4));
  #work: (() => void)[] = [];
  #lastRunMs = 0;

  /** The time of the engine's last run, as an estimate for the next. */
  ran(milliseconds: number): void {
    this.#lastRunMs = milliseconds;
  }

  /** Calls `work` soon: after the start of the next run, if one is about to start. */
  add(work: () => void): void {
    this.#work.push(work);
    if (this.#work.length === 1) void nextTurn().then(() => this.#doAll());
  }

  #doAll(): void {
    if (this.#never !== undefined && this.#lastRunMs >= SHORTEST_RUN_MS)
      Atomics.wait(this.#never, 0, 0, SLEEP_MS);
    const all = this.#work;
    this.#work = [];
    for (const work of all) work();
  }
}
