/**
 * Loads: rows that a cache reads from the inner store, and the reads that wait for them. Knows no store; the cache
 * runs the loads.
 */

/** Rows that are read together. */
export interface Load {
  readonly entries: LoadEntry[];
  readonly bytes: Uint8Array;
  readonly isHint: boolean;
  /** The bytes have arrived. Only loads for hints stay after that. */
  isHere: boolean;
  /** Keep the rows while there are free slots, without asking the policy. */
  readonly isWarming: boolean;
  /** Entries that no read has used yet. At 0 the load leaves the prefetch buffer. */
  numUnread: number;
  done: Promise<void>;
}

export interface LoadEntry {
  readonly row: number;
  readonly place: number;
  readonly load: Load;
  /** False once a write has made the bytes stale. */
  isKept: boolean;
}

/** A load without entries. */
export function newLoad(
  bytes: Uint8Array,
  { isHint = false, isWarming = false }: { isHint?: boolean; isWarming?: boolean },
): Load {
  const load = { entries: [], bytes, isHint, isHere: false, isWarming, numUnread: 0 };
  return { ...load, done: Promise.resolve() };
}

/** A row with a write in flight. */
export interface WriteState {
  writers: number;
  isContested: boolean;
  wasCached: boolean;
}
