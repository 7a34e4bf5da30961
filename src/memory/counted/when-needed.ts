/**
 * A counted memory whose code is loaded with the first model that has one: a page that opens others does without it.
 */
import type { CountedMemory } from "./counted-memory.ts";
import type { CountedTable } from "./counted-table.ts";

export async function countedMemory(
  table: CountedTable,
  options: { layerId: number },
): Promise<CountedMemory> {
  const { CountedMemory: Counted } = await import("./counted-memory.ts");
  return new Counted(table, options);
}
