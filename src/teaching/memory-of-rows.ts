/** What a model's memory holds for the texts of a search, in the columns of its graphs. Knows only the seam. */
import type { LanguageModel } from "../inference/index.ts";
import type { EditRow } from "./edit.ts";
import type { PlacedRows } from "./placed-rows.ts";

/** Vectors [B*T,E] of each Engram layer; zero where no text is. */
export async function memoryOfRows(
  { memory, config }: LanguageModel,
  rows: readonly EditRow[],
  { past, window, starts }: PlacedRows,
): Promise<Map<number, Float32Array>> {
  const placed = new Map<number, Float32Array>();
  if (memory === undefined) return placed;
  const reader = memory.reader();
  const spans = rows.map(({ ids }) => ({ ids, from: 0, to: ids.length }));
  const at = reader.address(spans);
  const found = new Map(
    memory.inputs.map(({ layerId, width }) => [layerId, new Float32Array(at.numPositions * width)]),
  );
  await reader.lookUp(at, found).all();
  const length = past + window;
  for (const { layerId, width } of memory.inputs) {
    if (config.engram?.layerIds.includes(layerId) !== true) continue;
    const into = new Float32Array(rows.length * length * width);
    let from = 0;
    for (const [r, { ids }] of rows.entries()) {
      const vectors = found.get(layerId)!.subarray(from * width, (from + ids.length) * width);
      into.set(vectors, (r * length + starts[r]!) * width);
      from += ids.length;
    }
    placed.set(layerId, into);
  }
  return placed;
}
