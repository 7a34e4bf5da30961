/** What is loaded with the first question about it: most texts are written without one. */
import type { CorpusIndex } from "./corpus-index.ts";
import type { MemoryInspector } from "./memory-inspector.ts";

export async function readCorpus(...of: Parameters<typeof CorpusIndex.read>): Promise<CorpusIndex> {
  return (await import("./corpus-index.ts")).CorpusIndex.read(...of);
}

export async function memoryInspector(
  ...of: ConstructorParameters<typeof MemoryInspector>
): Promise<MemoryInspector> {
  return new (await import("./memory-inspector.ts")).MemoryInspector(...of);
}
