/** Arrays that take long to make of files, kept from one time to the next. Where, the platform says. */

/** By name. What lies side by side in memory when it is kept lies so later, too. */
export type Arrays = ReadonlyMap<string, Uint8Array | Float32Array>;

/** What arrays are made of: they are made anew whenever anything of this is another. */
export interface MadeOf {
  /** Paths of files. */
  readonly files: readonly string[];
  /** What decides the rest, as JSON. */
  readonly said: unknown;
}

/** The arrays of an earlier time, or those that `make` makes, which are kept for a later one. To be read only. */
export type KeepArrays = (of: MadeOf, make: () => Promise<Arrays>) => Promise<Arrays>;
