/**
 * The most frequent successors of each id, counted while texts are read. Memory is fixed: each id has a few counters.
 * A new successor replaces the rarest one and takes over its count (the space-saving algorithm; Metwally, Agrawal and
 * El Abbadi 2005), so that a frequent one is never lost for long. Knows no rows.
 */
export class Successors {
  readonly #places: number;
  /** [vocabSize, places], most frequent first; -1 where nothing was seen. */
  readonly #ids: Int32Array;
  readonly #counts: Uint32Array;

  constructor(vocabSize: number, { places = 8 }: { places?: number } = {}) {
    this.#places = places;
    this.#ids = new Int32Array(vocabSize * places).fill(-1);
    this.#counts = new Uint32Array(vocabSize * places);
  }

  /** `next` was seen right after `id`. */
  add(id: number, next: number): void {
    const first = id * this.#places;
    const last = first + this.#places - 1;
    let at = first;
    while (at < last && this.#ids[at] !== next && this.#ids[at] !== -1) at++;
    this.#ids[at] = next;
    const count = ++this.#counts[at]!;
    for (; at > first && this.#counts[at - 1]! < count; at--) {
      this.#ids[at] = this.#ids[at - 1]!;
      this.#counts[at] = this.#counts[at - 1]!;
      this.#ids[at - 1] = next;
      this.#counts[at - 1] = count;
    }
  }

  /** The likeliest successors, at most `count` of them. */
  after(id: number, count: number): number[] {
    const first = id * this.#places;
    const known = this.#ids.subarray(first, first + Math.min(count, this.#places));
    return [...known].filter((next) => next >= 0);
  }
}
