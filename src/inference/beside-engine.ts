/**
 * Work for this thread that can wait until the engine's threads are at work, such as telling clients of a token.
 * Knows neither engine nor work.
 *
 * The thread that the engine runs on was woken by this one a moment ago, and the system likes to put it on the very
 * core that this one still holds, even where others are free: it then stands still for as long as JavaScript goes
 * on. So this thread first sleeps for a moment; whoever waits behind it gets the core, and it finds itself another.
 * On one step in two of preset `small` that was worth 0.1 to 0.2 ms (docs/log.md).
 */

/** Enough to make the system choose anew. It adds some 50 us of its own. */
const SLEEP_MS = 0.02;

export class BesideEngine {
  readonly #never = new Int32Array(new SharedArrayBuffer(4));
  #work: (() => void)[] = [];

  /** Calls `work` soon: after the run that is about to be started, if one is. What waits together is called together. */
  add(work: () => void): void {
    this.#work.push(work);
    if (this.#work.length === 1) setImmediate(() => this.#doAll());
  }

  #doAll(): void {
    Atomics.wait(this.#never, 0, 0, SLEEP_MS);
    const all = this.#work;
    this.#work = [];
    for (const work of all) work();
  }
}
