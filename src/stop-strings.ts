/** Strings that end a text, looked for while it comes piece by piece. Knows no tokens. */

/** Passes text through up to the first stop string, holding back what might become one. */
export class StopStrings {
  readonly #stops: readonly string[];
  #held = "";
  found = false;

  constructor(stops: readonly string[]) {
    this.#stops = stops.filter((stop) => stop !== "");
  }

  push(text: string): string {
    if (this.found) return "";
    this.#held += text;
    const at = Math.min(
      ...this.#stops.map((stop) => this.#held.indexOf(stop)).filter((i) => i >= 0),
      Infinity,
    );
    if (at !== Infinity) {
      this.found = true;
      return this.#held.slice(0, at);
    }
    const keep = Math.max(0, ...this.#stops.map((stop) => overlap(this.#held, stop)));
    const certain = this.#held.slice(0, this.#held.length - keep);
    this.#held = this.#held.slice(certain.length);
    return certain;
  }

  /** Text that was held back and is not a stop string. */
  end(): string {
    const rest = this.found ? "" : this.#held;
    this.#held = "";
    return rest;
  }
}

/** Length of the longest suffix of `text` that is a prefix of `stop`. */
function overlap(text: string, stop: string): number {
  for (let n = Math.min(text.length, stop.length - 1); n > 0; n--)
    if (stop.startsWith(text.slice(text.length - n))) return n;
  return 0;
}
