/**
 * Rows of a table by id. A store knows nothing of tokens, hashes, number formats or tensors: ids in,
 * bytes out. Everything else (cache, overlay, meter) is another store around one of these.
 */

export interface RowStore {
  readonly numRows: number;
  readonly rowBytes: number;
  /**
   * Fills the first `rows.length * rowBytes` bytes of `into`, in the order of `rows` (repeats
   * allowed), or throws `StoreError` and leaves no promise about `into`. Never short, never wrong.
   */
  read(rows: Uint32Array, into: Uint8Array): Promise<void>;
  /** A hint that `rows` will be read soon. Dropping it changes speed, never results. */
  prefetch?(rows: Uint32Array): void;
  close(): Promise<void>;
}

export interface WritableRowStore extends RowStore {
  /** Writes `rows.length` rows from the start of `from`. Ids must not repeat. */
  write(rows: Uint32Array, from: Uint8Array): Promise<void>;
}
