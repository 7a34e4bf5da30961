/**
 * Rows that a cache has asked another store for, and who they are for. Knows no store; the cache runs them.
 */

/** Rows that are read together. */
export interface Load {
  readonly entries: LoadEntry[];
  readonly bytes: Uint8Array;
  readonly isHint: boolean;
  /** The bytes have come. Only loads of hints stay behind with it. */
  isHere: boolean;
  /** Keep the rows wherever there is a free slot, without asking the policy. */
  readonly isWarming: boolean;
  /** Entries that nobody has asked for yet: a hint leaves the waiting room with its last one. */
  numWaiting: number;
  done: Promise<void>;
}

export interface LoadEntry {
  readonly row: number;
  readonly place: number;
  readonly load: Load;
  /** False once a write has made the bytes old. */
  isKept: boolean;
}

/** A load without entries. */
export function newLoad(
  bytes: Uint8Array,
  { isHint = false, isWarming = false }: { isHint?: boolean; isWarming?: boolean },
): Load {
  const load = { entries: [], bytes, isHint, isHere: false, isWarming, numWaiting: 0 };
  return { ...load, done: Promise.resolve() };
}

/** A row that is on its way to be written. */
export interface WriteState {
  writers: number;
  isContested: boolean;
  wasCached: boolean;
}
