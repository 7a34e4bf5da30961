/**
 * Work for this thread that can wait until the engine's threads are at work, such as telling clients of a token.
 * Knows neither engine nor work.
 *
 * The thread that the engine runs on was woken by this one a moment ago, and the system likes to put it on the very
 * core that this one still holds, even where others are free: it then stands still for as long as JavaScript goes
 * on. So this thread first sleeps for a moment; whoever waits behind it gets the core, and it finds itself another.
 * It stood still so for 0.13 to 0.15 ms in one step of two of preset `small` (docs/log.md).
 */

/** Enough to make the system choose anew. It adds some 50 us of its own. */
const SLEEP_MS = 0.02;
/** Where runs are shorter, the sleep costs what it gains or more. */
const SHORTEST_RUN_MS = 1;

export class BesideEngine {
  readonly #never = new Int32Array(new SharedArrayBuffer(4));
  #work: (() => void)[] = [];
  #lastRunMs = 0;

  /** What the engine's last run took: the next will most probably take as long. */
  ran(milliseconds: number): void {
    this.#lastRunMs = milliseconds;
  }

  /** Calls `work` soon: after the run that is about to be started, if one is. What waits together is called together. */
  add(work: () => void): void {
    this.#work.push(work);
    if (this.#work.length === 1) setImmediate(() => this.#doAll());
  }

  #doAll(): void {
    if (this.#lastRunMs >= SHORTEST_RUN_MS) Atomics.wait(this.#never, 0, 0, SLEEP_MS);
    const all = this.#work;
    this.#work = [];
    for (const work of all) work();
  }
}
