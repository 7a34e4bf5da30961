/** All rows of a store in their order, some at a time. Knows stores only. */
import type { RowStore } from "../memory/index.ts";

/** Rows read at a time. */
const CHUNK_BYTES = 4 * 2 ** 20;

/** Their ids. */
export function* rowChunks({
  numRows,
  rowBytes,
}: Pick<RowStore, "numRows" | "rowBytes">): Generator<Uint32Array> {
  const size = Math.max(1, Math.floor(CHUNK_BYTES / rowBytes));
  for (let first = 0; first < numRows; first += size)
    yield Uint32Array.from({ length: Math.min(size, numRows - first) }, (_, i) => first + i);
}

/** Their bytes. */
export async function* chunksOf(source: RowStore): AsyncGenerator<Uint8Array> {
  for (const rows of rowChunks(source)) {
    const bytes = new Uint8Array(rows.length * source.rowBytes);
    await source.read(rows, bytes);
    yield bytes;
  }
}
