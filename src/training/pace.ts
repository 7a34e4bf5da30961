/** How fast a run goes, and when it will be done. Knows steps, tokens and the clock. */

/** Time spent on validation and checkpoints does not count. */
export class Pace {
  readonly #steps: number;
  #step: number;
  #ms = 0;
  #since: number = performance.now();
  /** Smoothed over some twenty steps, so that a pause elsewhere on the machine fades. */
  #msPerStep = 0;
  #tokensPerStep = 0;

  constructor(steps: number, step: number) {
    this.#steps = steps;
    this.#step = step;
  }

  /** Seconds that the step took. */
  count(numTokens: number): number {
    const now = performance.now();
    const ms = now - this.#since;
    this.#since = now;
    this.#step++;
    this.#ms += ms;
    this.#tokensPerStep = numTokens;
    this.#msPerStep = this.#msPerStep === 0 ? ms : 0.95 * this.#msPerStep + 0.05 * ms;
    return ms / 1000;
  }

  async without(work: () => Promise<void>): Promise<void> {
    await work();
    this.#since = performance.now();
  }

  get tokensPerSecond(): number {
    return (1000 * this.#tokensPerStep) / this.#msPerStep;
  }

  get secondsLeft(): number {
    return ((this.#steps - this.#step) * this.#msPerStep) / 1000;
  }

  /** Seconds of training, without what `without` was given. */
  get seconds(): number {
    return this.#ms / 1000;
  }
}
