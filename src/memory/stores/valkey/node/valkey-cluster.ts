/**
 * Connects to a Redis or Valkey cluster that stores tables, and reads the description of a table. Knows no rows.
 */
import type { Cluster } from "iovalkey";
import { FormatError, InvalidConfigError, StoreError } from "../../../../errors.ts";
import { crc32c } from "../../../../numerics/index.ts";
import { isRowFormatName } from "../../../row-format.ts";
import { layoutTableFile, type TableIdentity } from "../../../table-file.ts";

export interface ValkeyOptions {
  /** Some nodes of the cluster; the others are found from them. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  /** The table's name. */
  readonly table: string;
  readonly username?: string;
  readonly password?: string;
  /** TLS to every node, with certificates that this system trusts. */
  readonly isEncrypted?: boolean;
  /** Milliseconds for one try. */
  readonly timeout?: number;
  /** Retries of a failed read. Before each, the client asks the cluster for its slot assignment again. */
  readonly retries?: number;
  /** Milliseconds before a retry. */
  readonly retryDelay?: number;
}

/** The same description as in the header of a table file, and how rows are stored in the cluster. */
export interface TableMeta extends TableIdentity {
  readonly generation: string;
  readonly rowBytes: number;
  readonly rowsPerSegment: number;
}

const VERSION = 2;
/** Bytes of a row's checksum, which follows the row. */
export const SUM_BYTES = 4;
/** A description has a few hundred bytes. A longer value is not a description and is not fetched. */
const MAX_META_BYTES = 4096;
const MAX_SEGMENT_BYTES = 2 ** 24;

/** The checksum depends on the generation and on the row's number, so that a row in the wrong place is detected. */
export function sumOfRow(bytes: Uint8Array, row: number, seed: number): number {
  return crc32c(bytes, (seed ^ row) >>> 0);
}

export function seedOf(generation: string): number {
  return crc32c(new TextEncoder().encode(generation));
}

/** The key of a segment, or the prefix of all segment keys. */
export function segmentKey(table: string, generation: string, segment: number | ""): string {
  return `engram:${table}:${generation}:${segment}`;
}

/** @internal */
export async function connect(options: ValkeyOptions): Promise<Cluster> {
  const { nodes, username, password, timeout = 2000, isEncrypted = false } = options;
  if (!/^[\w.:/-]{1,200}$/.test(options.table))
    throw new InvalidConfigError(
      `a table's name is made of letters, digits and _ . : / -, got ${JSON.stringify(options.table)}`,
    );
  if (nodes.length === 0)
    throw new InvalidConfigError("expected at least one node of the cluster, got none");
  const client = await import("iovalkey").catch((cause: unknown) => {
    throw new InvalidConfigError(
      "tables in Valkey or Redis need the package iovalkey; install it with: npm install iovalkey",
      { cause },
    );
  });
  const cluster = new client.Cluster(
    nodes.map(({ host, port }) => ({ host, port })),
    {
      lazyConnect: true,
      // We retry ourselves: the client's own retries would go on for seconds.
      maxRedirections: 3,
      retryDelayOnFailover: 50,
      retryDelayOnClusterDown: 50,
      slotsRefreshTimeout: timeout,
      clusterRetryStrategy: (times) => Math.min(1000, 50 * times),
      redisOptions: {
        connectTimeout: timeout,
        commandTimeout: timeout,
        maxRetriesPerRequest: 1,
        ...(isEncrypted && { tls: {} }),
        ...(username !== undefined && { username }),
        ...(password !== undefined && { password }),
      },
    },
  );
  // Without a listener the client prints errors. Commands that fail report them to us.
  cluster.on("error", () => undefined);
  try {
    await withLimit(cluster.connect(), options);
    return cluster;
  } catch (cause) {
    cluster.disconnect();
    throw new StoreError(`${describe(options)}: no node answers: ${messageOf(cause)}`);
  }
}

export function formatMeta({ digest, rowBytes: _derived, ...meta }: TableMeta): string {
  return JSON.stringify({ version: VERSION, ...meta, digest: Buffer.from(digest).toString("hex") });
}

/**
 * The table's description, or undefined if there is none.
 * @internal
 */
export async function readMeta(
  cluster: Cluster,
  options: ValkeyOptions,
): Promise<TableMeta | undefined> {
  const name = `engram:${options.table}:meta`;
  const text = await withLimit(cluster.getrange(name, 0, MAX_META_BYTES - 1), options).catch(
    (cause: unknown) => {
      throw new StoreError(`${describe(options)}: cannot be read: ${messageOf(cause)}`);
    },
  );
  return text === "" ? undefined : parseMeta(text, options);
}

function parseMeta(text: string, options: ValkeyOptions): TableMeta {
  const refuse = (why: string): never => {
    throw new FormatError(
      `${describe(options)}: expected the description of a table of version ${VERSION}, got ` +
        `${JSON.stringify(text.slice(0, 80))}${why}; write the table again`,
    );
  };
  let meta: Record<string, unknown> = {};
  try {
    meta = Object(JSON.parse(text)) as Record<string, unknown>;
  } catch {
    refuse("");
  }
  const { version, generation, format, headDim, numRows, layerId, digest, rowsPerSegment } = meta;
  if (
    version !== VERSION ||
    typeof generation !== "string" ||
    !/^[\w-]{1,64}$/.test(generation) ||
    !isRowFormatName(format) ||
    ![headDim, numRows, rowsPerSegment].every((count) => Number.isInteger(count)) ||
    !(layerId === undefined || Number.isInteger(layerId)) ||
    typeof digest !== "string" ||
    !/^[\da-f]{64}$/.test(digest)
  )
    return refuse("");
  const spec = {
    format,
    headDim: headDim as number,
    numRows: numRows as number,
    layerId: layerId as number | undefined,
    digest: new Uint8Array(Buffer.from(digest, "hex")),
  };
  try {
    // The same limits as a table file's.
    const { rowBytes } = layoutTableFile({ ...spec, numHot: 0, rowsPerBlock: 1 });
    const perSegment = rowsPerSegment as number;
    if (perSegment < 1 || perSegment * (rowBytes + SUM_BYTES) > MAX_SEGMENT_BYTES)
      return refuse(`: ${perSegment} rows of ${rowBytes} bytes in a segment`);
    return { ...spec, generation, rowBytes, rowsPerSegment: perSegment };
  } catch (cause) {
    return refuse(`: ${messageOf(cause)}`);
  }
}

/** @internal */
export async function refreshSlots(cluster: Cluster, options: ValkeyOptions): Promise<void> {
  const refreshed = new Promise<void>((resolve) => cluster.refreshSlotsCache(() => resolve()));
  // Perhaps no node answers. The retries after this will report that.
  await withLimit(refreshed, options).catch(() => undefined);
}

/** Resolves as `answer`, or rejects after the time limit. */
export async function withLimit<T>(
  answer: Promise<T>,
  { timeout = 2000 }: ValkeyOptions,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${timeout} ms`)), timeout);
  });
  try {
    return await Promise.race([answer, limit]);
  } finally {
    clearTimeout(timer);
  }
}

export function describe({ table, nodes }: ValkeyOptions): string {
  return `table "${table}" at ${nodes.map(({ host, port }) => `${host}:${port}`).join(", ")}`;
}

/** Errors of the client contain the failed command with the password. Only their text is passed on. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
