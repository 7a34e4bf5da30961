/**
 * A table in a Valkey or Redis cluster, for tables that outgrow a machine and for many servers that share
 * one. Read only; `writeValkeyTable` puts a table there. Knows nothing of what rows hold.
 *
 * Rows lie in segments of about 16 KiB, one string each, and a row is one GETRANGE of its segment:
 *
 *     engram:NAME:meta       {"version":1,"generation":G,"numRows":...,"rowBytes":...,"rowsPerSegment":...}
 *     engram:NAME:G:S        rows S * rowsPerSegment .. of generation G, back to back (the last may be short)
 *
 * A key for each row would allow MGET, but only within one hash slot, and costs 60 to 130 bytes a row beside
 * rows of 17 to 264; segments cost under one. The cluster spreads segments over its nodes by hash slot; a
 * batch is one pipeline a node. A string that is not there answers like an empty one, so every segment is
 * written, zeros too, and an answer that has not exactly a row's bytes is a failure. Writing a table anew
 * makes another generation: who reads the old one is told that it is gone, and gets no mixture.
 */
import type { Cluster } from "iovalkey";
import { FormatError, InvalidConfigError, StoreError } from "../../../errors.ts";
import { checkRead, checkTableSize, type RowStore } from "../../store.ts";
import { hashSlot } from "../hash-slot.ts";

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

interface TableMeta {
  readonly version: 1;
  readonly generation: string;
  readonly numRows: number;
  readonly rowBytes: number;
  readonly rowsPerSegment: number;
}

const SEGMENT_BYTES = 16 * 1024;
/** Commands of one pipeline. */
const PIPELINE = 4096;
/** Bytes of one batch while writing. */
const WRITE_BYTES = 4 * 2 ** 20;

/** Throws `StoreError` where no node answers, `FormatError` where there is no such table. */
export async function openValkeyStore(options: ValkeyOptions): Promise<ValkeyStore> {
  const cluster = await connect(options);
  try {
    const name = `engram:${options.table}:meta`;
    const text = await withLimit(cluster.get(name), options).catch((cause: unknown) => {
      throw new StoreError(`${describe(options)}: cannot be read: ${messageOf(cause)}`, { cause });
    });
    if (text === null)
      throw new FormatError(
        `${describe(options)}: there is no table of that name (no key ${name}); was it written to the end?`,
      );
    return new ValkeyStore(cluster, { ...options, meta: parseMeta(text, options) });
  } catch (error) {
    cluster.disconnect();
    throw error;
  }
}

/** A row that is asked for, and its places in the batch. */
interface Wanted {
  readonly row: number;
  readonly places: number[];
  /** Why the last try brought nothing. */
  reason: string;
}

export class ValkeyStore implements RowStore {
  readonly numRows: number;
  readonly rowBytes: number;
  readonly #cluster: Cluster;
  readonly #options: ValkeyOptions;
  readonly #meta: TableMeta;
  #isClosed = false;

  /** Use `openValkeyStore`, which asks what the table is. Owns `cluster` from now on. */
  constructor(cluster: Cluster, options: ValkeyOptions & { readonly meta: TableMeta }) {
    this.#cluster = cluster;
    this.#options = options;
    this.#meta = options.meta;
    this.numRows = options.meta.numRows;
    this.rowBytes = options.meta.rowBytes;
  }

  async read(rows: Uint32Array, into: Uint8Array): Promise<void> {
    this.#checkOpen();
    checkRead(this, rows, into);
    const wanted = new Map<number, Wanted>();
    for (const [place, row] of rows.entries()) {
      const known = wanted.get(row);
      if (known === undefined) wanted.set(row, { row, places: [place], reason: "" });
      else known.places.push(place);
    }
    const { retries = 1, retryDelay = 200 } = this.#options;
    let missing = [...wanted.values()];
    for (let tries = 0; ; tries++) {
      missing = await this.#ask(missing, into);
      if (missing.length === 0) return;
      this.#checkOpen();
      if (tries === retries) this.#fail(missing, tries + 1);
      await new Promise((resolve) => setTimeout(resolve, retryDelay));
      await refreshSlots(this.#cluster, this.#options);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cluster.disconnect();
  }

  /** Asks for rows, one pipeline a node; returns those that did not come. */
  async #ask(wanted: readonly Wanted[], into: Uint8Array): Promise<Wanted[]> {
    const missing: Wanted[] = [];
    const groups = Map.groupBy(wanted, ({ row }) => this.#nodesOf(this.#segmentOf(row).key));
    const batches = [...groups].flatMap(([nodes, group]) =>
      Array.from({ length: Math.ceil(group.length / PIPELINE) }, (_, i) => ({
        nodes,
        group: group.slice(i * PIPELINE, (i + 1) * PIPELINE),
      })),
    );
    await Promise.all(
      batches.map(async ({ nodes, group }) => {
        const answers = await this.#pipeline(group).catch((cause: unknown) => messageOf(cause));
        for (const [i, one] of group.entries()) {
          const answer = typeof answers === "string" ? answers : this.#rowOf(answers?.[i], one.row);
          if (typeof answer === "string") {
            one.reason = `${nodes}: ${answer}`;
            missing.push(one);
          } else for (const place of one.places) into.set(answer, place * this.rowBytes);
        }
      }),
    );
    return missing;
  }

  #pipeline(group: readonly Wanted[]): Promise<[Error | null, unknown][] | null> {
    const { rowBytes } = this;
    const pipeline = this.#cluster.pipeline();
    for (const { row } of group) {
      const { key, at } = this.#segmentOf(row);
      pipeline.getrangeBuffer(key, at, at + rowBytes - 1);
    }
    return withLimit(pipeline.exec(), this.#options);
  }

  /** The bytes of a row, or why these are none. */
  #rowOf(answer: [Error | null, unknown] | undefined, row: number): Uint8Array | string {
    const [error, bytes] = answer ?? [new Error("no answer"), undefined];
    if (error !== null) return error.message;
    if (!(bytes instanceof Uint8Array)) return "an answer that is no string";
    if (bytes.length === this.rowBytes) return bytes;
    const { key } = this.#segmentOf(row);
    return bytes.length === 0
      ? `${key} is missing there: the table was removed, written anew, or the node lost it`
      : `${key} has ${bytes.length} bytes for a row of ${this.rowBytes}`;
  }

  #segmentOf(row: number): { key: string; at: number } {
    const { generation, rowsPerSegment } = this.#meta;
    const segment = Math.floor(row / rowsPerSegment);
    return {
      key: segmentKey(this.#options.table, generation, segment),
      at: (row - segment * rowsPerSegment) * this.rowBytes,
    };
  }

  /** The nodes that have a key, as text; keys with the same nodes may share a pipeline. */
  #nodesOf(key: string): string {
    return this.#cluster.slots[hashSlot(key)]?.join(", ") ?? "no node";
  }

  #fail(missing: readonly Wanted[], tries: number): never {
    const [first] = missing;
    throw new StoreError(
      `${describe(this.#options)}: ${missing.length} rows did not come in ${tries} tries; row ` +
        `${first!.row} from ${first!.reason}`,
    );
  }

  #checkOpen(): void {
    if (this.#isClosed)
      throw new StoreError(`${describe(this.#options)}: the store was closed; open it again`);
  }
}

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

function segmentKey(table: string, generation: string, segment: number): string {
  return `engram:${table}:${generation}:${segment}`;
}

async function connect(options: ValkeyOptions): Promise<Cluster> {
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

function parseMeta(text: string, options: ValkeyOptions): TableMeta {
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

async function refreshSlots(cluster: Cluster, options: ValkeyOptions): Promise<void> {
  const refreshed = new Promise<void>((resolve) => cluster.refreshSlotsCache(() => resolve()));
  // No node may be there to ask; the tries after this will say so.
  await withLimit(refreshed, options).catch(() => undefined);
}

/** `answer`, or a failure after the time limit. */
async function withLimit<T>(answer: Promise<T>, { timeout = 2000 }: ValkeyOptions): Promise<T> {
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

function describe({ table, nodes }: ValkeyOptions): string {
  return `table "${table}" at ${nodes.map(({ host, port }) => `${host}:${port}`).join(", ")}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
