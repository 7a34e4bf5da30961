/**
 * Puts a table into a Redis or Valkey cluster, as `valkey.ts` describes it. Knows nothing of what rows hold.
 */
import type { Cluster } from "iovalkey";
import { FormatError, StoreError } from "../../../errors.ts";
import { checkTableSize, type RowStore } from "../../store.ts";
import {
  connect,
  describe,
  messageOf,
  parseMeta,
  segmentKey,
  type TableMeta,
  type ValkeyOptions,
  withLimit,
} from "./valkey-cluster.ts";

const SEGMENT_BYTES = 16 * 1024;
/** Bytes of one batch while writing. */
const WRITE_BYTES = 4 * 2 ** 20;
/** Commands under way at a time while removing. */
const PIPELINE = 4096;

export interface WriteValkeyOptions extends ValkeyOptions {
  readonly rows: RowStore;
  readonly rowsPerSegment?: number;
}

/**
 * Copies all rows of a store into the cluster. Readers see the table once the last row is there; an older
 * table of that name is removed then. Interrupted, it leaves keys of a generation that nobody reads.
 */
export async function writeValkeyTable(options: WriteValkeyOptions): Promise<void> {
  const { rows: source, table } = options;
  const { numRows, rowBytes } = source;
  checkTableSize(source);
  const rowsPerSegment =
    options.rowsPerSegment ?? Math.max(1, Math.floor(SEGMENT_BYTES / rowBytes));
  const generation = crypto.randomUUID().slice(0, 8);
  const meta: TableMeta = { version: 1, generation, numRows, rowBytes, rowsPerSegment };
  const cluster = await connect(options);
  try {
    const before = await withLimit(cluster.get(`engram:${table}:meta`), options);
    const batch = Math.max(1, Math.floor(WRITE_BYTES / (rowsPerSegment * rowBytes)));
    const numSegments = Math.ceil(numRows / rowsPerSegment);
    for (let first = 0; first < numSegments; first += batch) {
      const begin = first * rowsPerSegment;
      const count = Math.min(batch * rowsPerSegment, numRows - begin);
      const bytes = new Uint8Array(count * rowBytes);
      await source.read(
        Uint32Array.from({ length: count }, (_, i) => begin + i),
        bytes,
      );
      const size = rowsPerSegment * rowBytes;
      await Promise.all(
        Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
          withLimit(
            cluster.set(
              segmentKey(table, generation, first + i),
              Buffer.from(bytes.subarray(i * size, (i + 1) * size)),
            ),
            options,
          ),
        ),
      );
    }
    await withLimit(cluster.set(`engram:${table}:meta`, JSON.stringify(meta)), options);
    if (before !== null) await removeSegments(cluster, parseMeta(before, options), options);
  } catch (cause) {
    if (cause instanceof StoreError || cause instanceof FormatError) throw cause;
    throw new StoreError(`${describe(options)}: cannot be written: ${messageOf(cause)}`, { cause });
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
