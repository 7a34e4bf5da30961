/**
 * A cache around a store that can be written, and the choice between it and one that only reads. Knows of caching what
 * `CachedStore` lets it: that rows are on their way to be written, and that they are.
 */
import type { RowStore, WritableRowStore } from "../store.ts";
import type { CacheOptions } from "./cache-options.ts";
import { CachedStore } from "./cached.ts";

/** Puts a cache of at most `bytes` around `store`, which it then owns. */
export function cached(store: RowStore | WritableRowStore, options: CacheOptions): CachedStore {
  return "write" in store
    ? new WritableCachedStore(store, options)
    : new CachedStore(store, options);
}

/** As its base, over a store that can be written. */
class WritableCachedStore extends CachedStore implements WritableRowStore {
  readonly #writable: WritableRowStore;

  constructor(inner: WritableRowStore, options: CacheOptions) {
    super(inner, options);
    this.#writable = inner;
  }

  async write(rows: Uint32Array, from: Uint8Array): Promise<void> {
    this.beginWrite(rows, from);
    let isWritten = false;
    try {
      await this.#writable.write(rows, from);
      isWritten = true;
    } finally {
      this.endWrite(rows, from, isWritten);
    }
  }
}
