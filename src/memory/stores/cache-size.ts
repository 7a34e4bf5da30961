/**
 * What a cache takes besides its rows, and how many rows fit into given memory. Knows no rows and no stores.
 */
import { InvalidConfigError } from "../../errors.ts";
import type { RowStore } from "../store.ts";
import type { CachePolicy } from "./cached.ts";
import { FrequencySketch } from "./frequency-sketch.ts";
import { RowSlots } from "./row-slots.ts";

/** Share of `bytes` for hinted rows. */
export const WAITING_SHARE: number = 1 / 8;
/** What an entry of the waiting room takes besides its row: an object and a place in a map. */
export const WAITING_OVERHEAD: number = 100;
type RowSize = Pick<RowStore, "rowBytes" | "numRows">;

/** Bytes that a cache for so many rows takes, without its waiting room. */
export function footprint(capacity: number, { rowBytes }: RowSize, policy: CachePolicy): number {
  const sketch = policy === "frequency" ? FrequencySketch.bytes(capacity) : 0;
  return capacity * rowBytes + RowSlots.bytes(capacity) + sketch;
}

/** The most rows, but no more than there are, whose footprint is within `bytes`. */
export function largestCapacity(bytes: number, table: RowSize, policy: CachePolicy): number {
  const least = footprint(1, table, policy);
  if (!(bytes >= least))
    throw new InvalidConfigError(
      `a cache for rows of ${table.rowBytes} bytes needs at least ` +
        `${Math.ceil(least / (1 - WAITING_SHARE))} bytes, got ${Math.round(bytes / (1 - WAITING_SHARE))}`,
    );
  let fits = 1;
  // Row ids have 32 bits, slots 31.
  let tooMany = Math.min(table.numRows, 2 ** 30) + 1;
  while (tooMany - fits > 1) {
    const middle = Math.floor((fits + tooMany) / 2);
    if (footprint(middle, table, policy) <= bytes) fits = middle;
    else tooMany = middle;
  }
  return fits;
}
