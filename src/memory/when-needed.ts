/** Parts of a memory whose code is loaded with the first model that has them: a page that opens others does without. */
import type { CountedMemory } from "./counted/counted-memory.ts";
import type { cached, CachedStore } from "./stores/cache/cached.ts";

export async function countedMemory(
  ...of: ConstructorParameters<typeof CountedMemory>
): Promise<CountedMemory> {
  return new (await import("./counted/counted-memory.ts")).CountedMemory(...of);
}

export async function openCache(...of: Parameters<typeof cached>): Promise<CachedStore> {
  return (await import("./stores/cache/cached.ts")).cached(...of);
}
