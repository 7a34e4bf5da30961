/**
 * A queue of hinted rows whose load has not started. The newest hint comes first; within a hint the order is kept. It
 * is bounded and drops the oldest hints first, because hints age fast. Knows no cache and no store.
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

  /** Keeps a reference to `rows`. Of a hint that is too long it keeps the beginning. */
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

  /** Removes rows until `count` of them are `wanted`, and returns those; the others are dropped. */
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
