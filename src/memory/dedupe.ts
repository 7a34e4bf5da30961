/**
 * The distinct rows of a batch and where each is used. Prompts repeat many n-grams; the store is asked once for each
 * row. Open addressing over arrays that grow and are never cleared or freed between batches: a slot counts only if it
 * has the stamp of this batch. Knows nothing of what rows hold.
 */

export interface UniqueRows {
  /** Distinct row ids in order of first use. */
  readonly unique: Uint32Array;
  /** For each given row, its index in `unique`. */
  readonly index: Uint32Array;
}

export class RowDeduper {
  #slots = new Uint32Array(0);
  #stamps = new Uint32Array(0);
  #unique = new Uint32Array(0);
  #index = new Uint32Array(0);
  #stamp = 0;
  #shift = 32;

  /** Both arrays are views that stay valid until the next call. */
  dedupe(rows: Uint32Array): UniqueRows {
    this.#reserve(rows.length);
    const slots = this.#slots;
    const stamps = this.#stamps;
    const unique = this.#unique;
    const index = this.#index;
    const mask = slots.length - 1;
    const shift = this.#shift;
    const stamp = this.#nextStamp();
    let count = 0;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!;
      // Fibonacci hashing (Knuth 6.4): the high bits of a product with 2^32 / golden ratio.
      let slot = Math.imul(row, 0x9e3779b1) >>> shift;
      for (;;) {
        if (stamps[slot] !== stamp) {
          stamps[slot] = stamp;
          slots[slot] = count;
          index[i] = count;
          unique[count++] = row;
          break;
        }
        const place = slots[slot]!;
        if (unique[place] === row) {
          index[i] = place;
          break;
        }
        slot = (slot + 1) & mask;
      }
    }
    return { unique: unique.subarray(0, count), index: index.subarray(0, rows.length) };
  }

  #reserve(length: number): void {
    if (length <= this.#index.length) return;
    // At most half full, so that a search ends after a few steps.
    const bits = Math.max(4, Math.ceil(Math.log2(2 * length)));
    this.#slots = new Uint32Array(2 ** bits);
    this.#stamps = new Uint32Array(2 ** bits);
    this.#unique = new Uint32Array(length);
    this.#index = new Uint32Array(length);
    this.#stamp = 0;
    this.#shift = 32 - bits;
  }

  #nextStamp(): number {
    if (this.#stamp === 0xffffffff) {
      this.#stamps.fill(0);
      this.#stamp = 0;
    }
    return ++this.#stamp;
  }
}
