/**
 * Puts a table into a Redis or Valkey cluster, as `valkey.ts` describes it. Knows nothing of what rows hold.
 */
import type { Cluster } from "iovalkey";
import { EngramError, FormatError, InvalidConfigError, StoreError } from "../../../../errors.ts";
import { rowFormat } from "../../../row-format.ts";
import { checkTableSize, type RowStore } from "../../../store.ts";
import { DIGEST_BYTES, type TableIdentity } from "../../../table-file.ts";
import {
  connect,
  describe,
  formatMeta,
  messageOf,
  readMeta,
  seedOf,
  segmentKey,
  SUM_BYTES,
  sumOfRow,
  type TableMeta,
  type ValkeyOptions,
  withLimit,
} from "./valkey-cluster.ts";

const SEGMENT_BYTES = 16 * 1024;
/** Bytes of one batch while writing. */
const WRITE_BYTES = 4 * 2 ** 20;
/** Commands in flight while removing. */
const PIPELINE = 4096;

export interface WriteValkeyOptions
  extends ValkeyOptions, Pick<TableIdentity, "format" | "headDim"> {
  readonly rows: RowStore;
  readonly layerId?: number | undefined;
  /** SHA-256 of the layer's hash constants (`hashConstantsDigest`). */
  readonly digest?: Uint8Array;
  readonly rowsPerSegment?: number;
}

/**
 * Copies all rows of a store into the cluster. Readers see the table when the last row is there; then an older table
 * of that name is removed. An interrupted copy leaves keys of a generation that nobody reads.
 */
export async function writeValkeyTable(options: WriteValkeyOptions): Promise<void> {
  const { rows: source, table, format, headDim, layerId } = options;
  const { numRows, rowBytes } = source;
  checkTableSize(source);
  if (rowBytes !== rowFormat(format, headDim).rowBytes)
    throw new InvalidConfigError(
      `${headDim} values as ${format} are ${rowFormat(format, headDim).rowBytes} bytes a row, the store's have ${rowBytes}`,
    );
  const pieceBytes = rowBytes + SUM_BYTES;
  const rowsPerSegment =
    options.rowsPerSegment ?? Math.max(1, Math.floor(SEGMENT_BYTES / pieceBytes));
  const generation = crypto.randomUUID().slice(0, 8);
  const digest = options.digest ?? new Uint8Array(DIGEST_BYTES);
  const meta = { generation, format, headDim, numRows, layerId, digest, rowBytes, rowsPerSegment };
  const cluster = await connect(options);
  try {
    const before = await readMeta(cluster, options).catch((error: unknown) => {
      // An invalid or older description is overwritten.
      if (!(error instanceof FormatError)) throw error;
      return undefined;
    });
    const seed = seedOf(generation);
    const batch = Math.max(1, Math.floor(WRITE_BYTES / (rowsPerSegment * pieceBytes)));
    const numSegments = Math.ceil(numRows / rowsPerSegment);
    for (let first = 0; first < numSegments; first += batch) {
      const begin = first * rowsPerSegment;
      const count = Math.min(batch * rowsPerSegment, numRows - begin);
      const bytes = new Uint8Array(count * rowBytes);
      await source.read(
        Uint32Array.from({ length: count }, (_, i) => begin + i),
        bytes,
      );
      const pieces = Buffer.alloc(count * pieceBytes);
      for (let i = 0; i < count; i++) {
        const row = bytes.subarray(i * rowBytes, (i + 1) * rowBytes);
        pieces.set(row, i * pieceBytes);
        pieces.writeUInt32LE(sumOfRow(row, begin + i, seed), i * pieceBytes + rowBytes);
      }
      const size = rowsPerSegment * pieceBytes;
      await Promise.all(
        Array.from({ length: Math.ceil(pieces.length / size) }, (_, i) =>
          withLimit(
            cluster.set(
              segmentKey(table, generation, first + i),
              pieces.subarray(i * size, (i + 1) * size),
            ),
            options,
          ),
        ),
      );
    }
    await withLimit(cluster.set(`engram:${table}:meta`, formatMeta(meta)), options);
    if (before !== undefined) await removeSegments(cluster, before, options);
  } catch (cause) {
    if (cause instanceof EngramError) throw cause;
    throw new StoreError(`${describe(options)}: cannot be written: ${messageOf(cause)}`);
  } finally {
    cluster.disconnect();
  }
}

async function removeSegments(
  cluster: Cluster,
  { generation, numRows, rowsPerSegment }: TableMeta,
  options: ValkeyOptions,
): Promise<void> {
  const numSegments = Math.ceil(numRows / rowsPerSegment);
  for (let first = 0; first < numSegments; first += PIPELINE)
    await Promise.all(
      Array.from({ length: Math.min(PIPELINE, numSegments - first) }, (_, i) =>
        withLimit(cluster.unlink(segmentKey(options.table, generation, first + i)), options),
      ),
    );
}
