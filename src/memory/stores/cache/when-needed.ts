/** A cache whose code is loaded with the first table that lies behind one: a page that holds its tables in RAM does without. */
import type { RowStore } from "../../store.ts";
import type { CacheOptions } from "./cache-options.ts";
import type { CachedStore } from "./cached.ts";

export async function openCache(store: RowStore, options: CacheOptions): Promise<CachedStore> {
  const { cached } = await import("./cached.ts");
  return cached(store, options);
}
