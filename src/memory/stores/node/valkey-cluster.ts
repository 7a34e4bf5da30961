/**
 * The way to a Redis or Valkey cluster that keeps tables, and what a table there is described by. Knows no rows.
 */
import type { Cluster } from "iovalkey";
import { FormatError, InvalidConfigError, StoreError } from "../../../errors.ts";
import { checkTableSize } from "../../store.ts";

export interface ValkeyOptions {
  /** Some nodes of the cluster; the others are found from them. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  /** The table's name. */
  readonly table: string;
  readonly username?: string;
  readonly password?: string;
  /** Milliseconds that one try may take. */
  readonly timeout?: number;
  /** How often what failed is asked for again, after the cluster was asked who has it now. */
  readonly retries?: number;
  /** Milliseconds before that. */
  readonly retryDelay?: number;
}

export interface TableMeta {
  readonly version: 1;
  readonly generation: string;
  readonly numRows: number;
  readonly rowBytes: number;
  readonly rowsPerSegment: number;
}

/** Of one segment, or what all of them begin with. */
export function segmentKey(table: string, generation: string, segment: number | ""): string {
  return `engram:${table}:${generation}:${segment}`;
}

export async function connect(options: ValkeyOptions): Promise<Cluster> {
  const { nodes, username, password, timeout = 2000 } = options;
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
      // Ours is the second try; the client's own would go on for seconds.
      maxRedirections: 3,
      retryDelayOnFailover: 50,
      retryDelayOnClusterDown: 50,
      slotsRefreshTimeout: timeout,
      clusterRetryStrategy: (times) => Math.min(1000, 50 * times),
      redisOptions: {
        connectTimeout: timeout,
        commandTimeout: timeout,
        maxRetriesPerRequest: 1,
        ...(username !== undefined && { username }),
        ...(password !== undefined && { password }),
      },
    },
  );
  // Without a listener the client prints; what matters comes with the commands that fail.
  cluster.on("error", () => undefined);
  try {
    await withLimit(cluster.connect(), options);
    return cluster;
  } catch (cause) {
    cluster.disconnect();
    throw new StoreError(`${describe(options)}: no node answers: ${messageOf(cause)}`, { cause });
  }
}

export function parseMeta(text: string, options: ValkeyOptions): TableMeta {
  let meta: Partial<TableMeta> = {};
  try {
    meta = JSON.parse(text) as Partial<TableMeta>;
  } catch {
    // Not JSON: refused below with all that it might lack.
  }
  const { version, generation, numRows, rowBytes, rowsPerSegment } = meta ?? {};
  const isCount = (x: unknown): x is number => Number.isInteger(x) && (x as number) >= 0;
  if (
    version !== 1 ||
    typeof generation !== "string" ||
    !isCount(numRows) ||
    !isCount(rowBytes) ||
    !isCount(rowsPerSegment) ||
    rowsPerSegment < 1
  )
    throw new FormatError(
      `${describe(options)}: expected the description of a table of version 1, got ${text.slice(0, 80)}`,
    );
  checkTableSize({ numRows, rowBytes });
  return { version, generation, numRows, rowBytes, rowsPerSegment };
}

export async function refreshSlots(cluster: Cluster, options: ValkeyOptions): Promise<void> {
  const refreshed = new Promise<void>((resolve) => cluster.refreshSlotsCache(() => resolve()));
  // No node may be there to ask; the tries after this will say so.
  await withLimit(refreshed, options).catch(() => undefined);
}

/** `answer`, or a failure after the time limit. */
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

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
