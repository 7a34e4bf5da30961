/** Parts of a memory whose code is loaded with the first model that has them: a page that opens others does without. */
import type { CountedMemory } from "./counted/counted-memory.ts";

export async function countedMemory(
  ...of: ConstructorParameters<typeof CountedMemory>
): Promise<CountedMemory> {
  return new (await import("./counted/counted-memory.ts")).CountedMemory(...of);
}

export function readInPlace(): Promise<typeof import("./read-in-place.ts")> {
  return import("./read-in-place.ts");
}
