/**
 * Reads rows of an out-of-core table from the log into free entries of the cache, in log order, and checks them. The
 * caller ensures that there is space and that nobody else fetches at the same time. Does not know when to fetch which
 * rows, nor what happens to changed rows.
 */
import { StoreError } from "../../../../errors.ts";
import type { RecordCache } from "../record-cache.ts";
import type { RowLog } from "./row-log.ts";

/** A slot and an index in the batch are sorted as one double: 2^31 * 2^22 = 2^53. */
export const MAX_BATCH_ROWS: number = 2 ** 22;

export interface RowFetcherOptions {
  readonly log: RowLog;
  readonly cache: RecordCache;
  readonly partBytes: readonly number[];
}

export class RowFetcher {
  readonly #log: RowLog;
  readonly #cache: RecordCache;
  readonly #partBytes: readonly number[];

  constructor({ log, cache, partBytes }: RowFetcherOptions) {
    this.#log = log;
    this.#cache = cache;
    this.#partBytes = partBytes;
  }

  /** The rows that are not in memory, in log order. No row is repeated, except rows that were never written. */
  inLogOrder(rows: Uint32Array): Uint32Array {
    const keys = new Float64Array(rows.length);
    for (let i = 0; i < rows.length; i++)
      keys[i] = this.#cache.logSlotOf(rows[i]!) * MAX_BATCH_ROWS + i;
    keys.sort();
    const ordered = new Uint32Array(rows.length);
    let count = 0;
    let last = 0;
    for (let i = 0; i < keys.length; i++) {
      const slot = Math.floor(keys[i]! / MAX_BATCH_ROWS);
      if (slot !== 0 && slot === last) continue;
      last = slot;
      ordered[count++] = rows[keys[i]! - slot * MAX_BATCH_ROWS]!;
    }
    return ordered.subarray(0, count);
  }

  /** Fetches rows that are not in memory. They must be in log order, those that were never written first. */
  async fetch(rows: Uint32Array): Promise<void> {
    const cache = this.#cache;
    let numFresh = 0;
    while (numFresh < rows.length && cache.logSlotOf(rows[numFresh]!) === 0) numFresh++;
    if (numFresh > 0) {
      const fresh = Uint32Array.from(new Set(rows.subarray(0, numFresh))).filter(
        (row) => !cache.isInMemory(row),
      );
      this.#insert(fresh, (_, partBytes) => new Uint8Array(fresh.length * partBytes));
    }
    let asked = rows.subarray(numFresh);
    while (asked.length > 0) asked = await this.#fetchLogged(asked);
  }

  /** Returns the rows whose records were moved during the read. */
  async #fetchLogged(rows: Uint32Array): Promise<Uint32Array> {
    const { rowBytes } = this.#log.spec;
    const slots = new Uint32Array(rows.length);
    for (let i = 0; i < rows.length; i++) slots[i] = this.#cache.logSlotOf(rows[i]!);
    const bytes = new Uint8Array(rows.length * rowBytes);
    /** Indices in `rows` of those that arrived, in the order of `bytes`. */
    const came = new Uint32Array(rows.length);
    const isThere = new Uint8Array(rows.length);
    let count = 0;
    await this.#log.read({
      slots,
      count: slots.length,
      deliver: (index, row, buffer, at) => {
        if (row !== rows[index]) return;
        isThere[index] = 1;
        copyBytes(buffer, at, { into: bytes, to: count * rowBytes, count: rowBytes });
        came[count++] = rows[index]!;
      },
    });
    this.#insert(came.subarray(0, count), (from, partBytes) => {
      const part = new Uint8Array(count * partBytes);
      for (let i = 0; i < count; i++)
        copyBytes(bytes, i * rowBytes + from, { into: part, to: i * partBytes, count: partBytes });
      return part;
    });
    if (count === rows.length) return new Uint32Array(0);
    // The writer may have moved a record and reused its slot during the read.
    const moved = rows.filter(
      (row, i) => isThere[i] === 0 && this.#cache.logSlotOf(row) !== slots[i],
    );
    if (count + moved.length < rows.length) this.#refuse(rows.length - count - moved.length);
    return moved;
  }

  /** Inserts rows into the cache; `bytesOf` returns the bytes of a part by its offset in the row. */
  #insert(rows: Uint32Array, bytesOf: (from: number, partBytes: number) => Uint8Array): void {
    if (rows.length === 0) return;
    const entries = new Uint32Array(rows.length);
    for (let i = 0; i < rows.length; i++) entries[i] = this.#cache.insert(rows[i]!);
    let from = 0;
    for (const [i, partBytes] of this.#partBytes.entries()) {
      this.#cache.parts[i]!.writeSync(entries, bytesOf(from, partBytes));
      from += partBytes;
    }
  }

  /** Reads rows without caching them. `deliver` gets each row that was ever written, in any order. */
  async readAside(
    rows: Uint32Array,
    deliver: (index: number, record: Uint8Array) => void,
  ): Promise<void> {
    const { rowBytes } = this.#log.spec;
    const indices = rows.map((_, i) => i).filter((i) => this.#cache.logSlotOf(rows[i]!) !== 0);
    const slots = indices.map((i) => this.#cache.logSlotOf(rows[i]!));
    let delivered = 0;
    await this.#log.read({
      slots,
      count: slots.length,
      deliver: (index, row, bytes, at) => {
        if (row !== rows[indices[index]!]) return;
        delivered++;
        deliver(indices[index]!, bytes.subarray(at, at + rowBytes));
      },
    });
    if (delivered < slots.length) this.#refuse(slots.length - delivered);
  }

  #refuse(count: number): never {
    throw new StoreError(
      `${this.#log.path}: ${count} records are not what was written (their checksum or row is another); the ` +
        "file is damaged, go on from a copy or begin anew",
    );
  }
}

function copyBytes(
  from: Uint8Array,
  at: number,
  { into, to, count }: { into: Uint8Array; to: number; count: number },
): void {
  for (let i = 0; i < count; i++) into[to + i] = from[at + i]!;
}
