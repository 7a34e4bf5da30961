/** Parts of a memory whose code is loaded with the first model that has them: a page that opens others does without. */
import type { CountedMemory } from "./counted/counted-memory.ts";
import {
  LARGE_TABLE_BYTES,
  SmallRamStore,
  type SmallRamStoreOptions,
} from "./stores/ram/small-ram.ts";

export async function countedMemory(
  ...of: ConstructorParameters<typeof CountedMemory>
): Promise<CountedMemory> {
  return new (await import("./counted/counted-memory.ts")).CountedMemory(...of);
}

/** A table in memory. The code that copies rows of large ones comes with the first of them. */
export async function openRamStore(options: SmallRamStoreOptions): Promise<SmallRamStore> {
  if (options.numRows * options.rowBytes < LARGE_TABLE_BYTES) return new SmallRamStore(options);
  return new (await import("./stores/ram/ram.ts")).RamStore(options);
}

export function readInPlace(): Promise<typeof import("./read-in-place.ts")> {
  return import("./read-in-place.ts");
}
