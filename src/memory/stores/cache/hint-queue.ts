/**
 * Rows that hints ask for and that nobody reads yet: the newest hint first, within a hint in its order. Bounded; what
 * does not fit is forgotten, the oldest first, because a hint soon turns stale. Knows no cache and no store.
 */
export class HintQueue {
  readonly #most: number;
  readonly #hints: { readonly rows: Uint32Array; next: number }[] = [];
  #size = 0;

  /** Holds `most` rows. */
  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#size;
  }

  /** The queue keeps `rows`; of a hint too long for it, the beginning. */
  push(rows: Uint32Array): void {
    const kept = rows.subarray(0, this.#most);
    if (kept.length === 0) return;
    this.#hints.push({ rows: kept, next: 0 });
    this.#size += kept.length;
    while (this.#size > this.#most) {
      const oldest = this.#hints.shift()!;
      this.#size -= oldest.rows.length - oldest.next;
    }
  }

  /** Takes out rows until `count` of them are `wanted`; the others are forgotten. */
  take(count: number, wanted: (row: number) => boolean): number[] {
    const taken: number[] = [];
    for (let hint = this.#hints.at(-1); hint !== undefined; hint = this.#hints.at(-1)) {
      while (hint.next < hint.rows.length && taken.length < count) {
        const row = hint.rows[hint.next++]!;
        this.#size--;
        if (wanted(row) && !taken.includes(row)) taken.push(row);
      }
      if (hint.next < hint.rows.length) break;
      this.#hints.pop();
    }
    return taken;
  }

  clear(): void {
    this.#hints.length = 0;
    this.#size = 0;
  }
}
