/** The map of a checkpoint: where each row of a table is in its log. Reads it in chunks, and has its checksum. */
import type { SafetensorsFile } from "../../checkpoint/index.ts";
import { FormatError } from "../../errors.ts";
import { MAP_CHUNK_ROWS } from "../../memory/stores/out-of-core/node/index.ts";
import { linearCrc32c } from "../../numerics/index.ts";
import { type RowLogState, rowMapName } from "../row-logs.ts";

/** A chunk is valid until the next. */
export async function* rowMapChunks(
  tensors: SafetensorsFile,
  { layerId, numRows }: { readonly layerId: number; readonly numRows: number },
): AsyncGenerator<Uint32Array> {
  const chunk = new Uint32Array(MAP_CHUNK_ROWS);
  for (let first = 0; first < numRows; first += MAP_CHUNK_ROWS) {
    const part = chunk.subarray(0, Math.min(MAP_CHUNK_ROWS, numRows - first));
    const into = new Uint8Array(part.buffer, 0, part.byteLength);
    const begin = 4 * first;
    await tensors.readRange(rowMapName(layerId), { begin, end: begin + into.length, into });
    yield part;
  }
}

/** Reads the whole map into `map`, which is zeros. Throws `FormatError` if it has another checksum than `state` says. */
export async function readRowMap(
  path: string,
  { tensors, state, map }: { tensors: SafetensorsFile; state: RowLogState; map: Uint32Array },
): Promise<void> {
  const { layerId, mapSum } = state;
  let sum = 0;
  let at = 0;
  for await (const chunk of rowMapChunks(tensors, { layerId, numRows: map.length })) {
    sum = chainedSum(sum, chunk);
    // Zeros are not written, so that their pages stay untouched.
    for (let i = 0; i < chunk.length; i++) if (chunk[i] !== 0) map[at + i] = chunk[i]!;
    at += chunk.length;
  }
  if (sumText(sum) !== mapSum)
    throw new FormatError(
      `${path}: expected the checksum ${mapSum} of the map of layer ${layerId}'s rows, found ${sumText(sum)}; it is damaged`,
    );
}

/** The chained checksum of all chunks so far: CRC of the previous checksum and the chunk's. */
export function chainedSum(sum: number, chunk: Uint32Array): number {
  const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  return linearCrc32c(new Uint8Array(Uint32Array.of(sum, linearCrc32c(bytes)).buffer));
}

export function sumText(sum: number): string {
  return sum.toString(16).padStart(8, "0");
}
