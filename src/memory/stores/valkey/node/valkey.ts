/**
 * A table in a Valkey or Redis cluster, for tables that are too large for one machine, or that many servers share.
 * Read only; `writeValkeyTable` puts a table there. Knows nothing of what rows hold.
 *
 * Rows lie in segments of about 16 KiB, one string each, and a row with its sum is one GETRANGE of its segment:
 *
 *     engram:NAME:meta       {"version":2,"generation":G,"format":...,"headDim":...,"numRows":...,"layerId":...,
 *                            "digest":...,"rowsPerSegment":...}: what a table file's header says (memory/table-file.ts)
 *     engram:NAME:G:S        rows S * rowsPerSegment .. of generation G, each with its sum, back to back (the last
 *                            segment may be short)
 *
 * A sum (4 bytes, little endian) is the CRC-32C of the row, continued from that of the text G xor the row's number.
 * It is checked at each read, because any client of the cluster may overwrite the data. The check detects zeros,
 * other rows, and rows of other tables and generations.
 *
 * A key for each row would allow MGET, but only within one hash slot, and costs 60 to 130 bytes a row beside rows of
 * 17 to 264; segments cost under one. The cluster spreads segments over its nodes by hash slot; a batch is one write
 * to each node that has some of it (`valkey-lane.ts`). Rows that do not arrive that way are read by the client, which
 * follows redirects and finds nodes again. The cluster answers for a missing string as for an empty one. So every
 * segment is written, zeros too, and an answer of another size than a row is a failure. Writing a table again makes a
 * new generation. Readers of the old generation then get an error, never a mixture.
 */
import type { Cluster } from "iovalkey";
import { FormatError, StoreError } from "../../../../errors.ts";
import { checkRead, type RowStore } from "../../../store.ts";
import type { RowFormatName } from "../../../row-format.ts";
import { checkTableFile } from "../../../table-file.ts";
import { crc16, hashSlot } from "./hash-slot.ts";
import type { OpenTableOptions } from "../../ranges/table-file.ts";
import {
  connect,
  describe,
  messageOf,
  readMeta,
  refreshSlots,
  seedOf,
  segmentKey,
  SUM_BYTES,
  sumOfRow,
  type TableMeta,
  type ValkeyOptions,
  withLimit,
} from "./valkey-cluster.ts";
import { type Refusal, ValkeyLane } from "./valkey-lane.ts";

/** Commands of one pipeline or one write. */
const PIPELINE = 4096;

/** Throws `StoreError` where no node answers, `FormatError` where there is no such table. */
export async function openValkeyStore(
  options: ValkeyOptions & Pick<OpenTableOptions, "expected">,
): Promise<ValkeyStore> {
  const cluster = await connect(options);
  try {
    const meta = await readMeta(cluster, options);
    if (meta === undefined)
      throw new FormatError(
        `${describe(options)}: there is no table of that name (no key engram:${options.table}:meta); ` +
          "was it written to the end?",
      );
    checkTable(meta, options);
    const store = new ValkeyStore(cluster, { ...options, meta });
    await store.openLanes();
    return store;
  } catch (error) {
    cluster.disconnect();
    throw error;
  }
}

function checkTable(
  meta: TableMeta,
  { expected = {}, ...options }: ValkeyOptions & Pick<OpenTableOptions, "expected">,
): void {
  try {
    checkTableFile(meta, expected);
  } catch (cause) {
    throw new FormatError(`${describe(options)}: ${messageOf(cause)}`, { cause });
  }
}

export class ValkeyStore implements RowStore {
  readonly numRows: number;
  readonly rowBytes: number;
  readonly format: RowFormatName;
  readonly #cluster: Cluster;
  readonly #options: ValkeyOptions;
  readonly #meta: TableMeta;
  /** The prefix of all segment keys. */
  readonly #prefix: string;
  /** By node, "host:port". */
  readonly #lanes = new Map<string, ValkeyLane>();
  /** CRC-16 of the prefix. */
  readonly #crc: number;
  readonly #seed: number;
  /** Bytes of a row and its checksum. */
  readonly #pieceBytes: number;
  #isClosed = false;

  /**
   * Use `openValkeyStore`, which reads the description. Owns `cluster`. @internal as are all types of the optional
   * iovalkey: whoever has not installed it compiles without.
   */
  constructor(cluster: Cluster, options: ValkeyOptions & { readonly meta: TableMeta }) {
    const { table, meta } = options;
    this.#cluster = cluster;
    this.#options = options;
    this.#meta = meta;
    this.#prefix = segmentKey(table, meta.generation, "");
    this.#crc = crc16(this.#prefix);
    this.#seed = seedOf(meta.generation);
    this.#pieceBytes = meta.rowBytes + SUM_BYTES;
    this.format = meta.format;
    this.numRows = meta.numRows;
    this.rowBytes = meta.rowBytes;
  }

  /** Connects to the nodes that have rows now. A node that does not answer is tried again when it is needed. */
  async openLanes(): Promise<void> {
    // Slots without a node are holes in the array, which `flatMap` skips.
    const nodes = new Set(this.#cluster.slots.flatMap((having) => having.slice(0, 1)));
    await Promise.all([...nodes].map((node) => this.#laneTo(node).open()));
  }

  async read(rows: Uint32Array, into: Uint8Array): Promise<void> {
    this.#checkOpen();
    checkRead(this, rows, into);
    // The caller may reuse its array before the last row has arrived.
    const asked = rows.slice();
    const { retries = 1, retryDelay = 200 } = this.#options;
    const pieces = new Uint8Array(asked.length * this.#pieceBytes);
    let places: readonly number[] = Array.from(asked, (_, place) => place);
    for (let tries = 0; ; tries++) {
      const missing = await this.#ask(asked, { places, into: pieces });
      missing.push(...this.#take(asked, { places, pieces, missing, into }));
      if (missing.length === 0) return;
      this.#checkOpen();
      if (tries === retries) this.#fail(asked, missing, tries + 1);
      await new Promise((resolve) => setTimeout(resolve, retryDelay));
      await refreshSlots(this.#cluster, this.#options);
      places = missing.map(({ place }) => place);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const lane of this.#lanes.values()) lane.close();
    this.#cluster.disconnect();
  }

  /** Checks the pieces that arrived and copies their rows; returns the pieces that are wrong. */
  #take(
    rows: Uint32Array,
    answer: {
      places: readonly number[];
      pieces: Uint8Array;
      missing: readonly Refusal[];
      into: Uint8Array;
    },
  ): Refusal[] {
    const { places, pieces, missing, into } = answer;
    const { rowBytes } = this;
    const view = new DataView(pieces.buffer);
    const without = new Set(missing.map(({ place }) => place));
    const wrong: Refusal[] = [];
    for (const place of places) {
      if (without.has(place)) continue;
      const at = place * this.#pieceBytes;
      const row = pieces.subarray(at, at + rowBytes);
      if (sumOfRow(row, rows[place]!, this.#seed) === view.getUint32(at + rowBytes, true))
        into.set(row, place * rowBytes);
      else
        wrong.push({
          place,
          reason: `${this.#keyOf(rows[place]!)} does not match its checksum: it was overwritten or damaged`,
          isLate: false,
        });
    }
    return wrong;
  }

  /** Requests the pieces at `places`; returns those that did not arrive. */
  async #ask(
    rows: Uint32Array,
    { places, into }: { places: readonly number[]; into: Uint8Array },
  ): Promise<Refusal[]> {
    const refused = await this.#askLanes(rows, { places, into });
    if (refused.length === 0) return refused;
    const late = refused.filter(({ isLate }) => isLate);
    const others = refused.filter(({ isLate }) => !isLate).map(({ place }) => place);
    return [...late, ...(await this.#askClient(rows, { places: others, into }))];
  }

  #askLanes(
    rows: Uint32Array,
    { places, into }: { places: readonly number[]; into: Uint8Array },
  ): Promise<Refusal[]> {
    return new Promise((resolve) => {
      const refused: Refusal[] = [];
      let numOpen = 1;
      const settle = (some: readonly Refusal[]): void => {
        refused.push(...some);
        if (--numOpen === 0) resolve(refused);
      };
      const send = (lane: ValkeyLane): void => {
        numOpen++;
        lane.send(into, settle);
      };
      for (const place of places) {
        const segment = this.#segmentOf(rows[place]!);
        const lane = this.#laneOf(segment);
        if (lane?.isReady !== true) {
          void lane?.open();
          refused.push({ place, reason: "no connection", isLate: false });
          continue;
        }
        lane.ask(`${this.#prefix}${segment}`, { at: this.#byteOf(rows[place]!, segment), place });
        if (lane.numAsked === PIPELINE) send(lane);
      }
      for (const lane of this.#lanes.values()) if (lane.numAsked > 0) send(lane);
      settle([]);
    });
  }

  /** Reads through the client, with one pipeline for each set of nodes. */
  async #askClient(
    rows: Uint32Array,
    { places, into }: { places: readonly number[]; into: Uint8Array },
  ): Promise<Refusal[]> {
    const missing: Refusal[] = [];
    const groups = Map.groupBy(places, (place) => this.#nodesOf(this.#segmentOf(rows[place]!)));
    const batches = [...groups].flatMap(([nodes, group]) =>
      Array.from({ length: Math.ceil(group.length / PIPELINE) }, (_, i) => ({
        nodes,
        group: group.slice(i * PIPELINE, (i + 1) * PIPELINE),
      })),
    );
    await Promise.all(
      batches.map(async ({ nodes, group }) => {
        const answers = await this.#pipeline(rows, group).catch((cause: unknown) =>
          messageOf(cause),
        );
        for (const [i, place] of group.entries()) {
          const answer =
            typeof answers === "string" ? answers : this.#pieceOf(answers?.[i], rows[place]!);
          if (typeof answer !== "string") into.set(answer, place * this.#pieceBytes);
          else missing.push({ place, reason: `${nodes}: ${answer}`, isLate: false });
        }
      }),
    );
    return missing;
  }

  #pipeline(
    rows: Uint32Array,
    places: readonly number[],
  ): Promise<[Error | null, unknown][] | null> {
    const pipeline = this.#cluster.pipeline();
    for (const place of places) {
      const row = rows[place]!;
      const segment = this.#segmentOf(row);
      const at = this.#byteOf(row, segment);
      pipeline.getrangeBuffer(`${this.#prefix}${segment}`, at, at + this.#pieceBytes - 1);
    }
    return withLimit(pipeline.exec(), this.#options);
  }

  /** A row and its checksum, or what is wrong. */
  #pieceOf(answer: [Error | null, unknown] | undefined, row: number): Uint8Array | string {
    const [error, bytes] = answer ?? [new Error("no answer"), undefined];
    if (error !== null) return error.message;
    if (!(bytes instanceof Uint8Array)) return "an answer that is no string";
    if (bytes.length === this.#pieceBytes) return bytes;
    const key = this.#keyOf(row);
    return bytes.length === 0
      ? `${key} is missing there: the table was removed, written anew, or the node lost it`
      : `${key} has ${bytes.length} bytes for a row of ${this.rowBytes} and its sum`;
  }

  #segmentOf(row: number): number {
    return Math.floor(row / this.#meta.rowsPerSegment);
  }

  /** Where a row begins in its segment. */
  #byteOf(row: number, segment: number): number {
    return (row - segment * this.#meta.rowsPerSegment) * this.#pieceBytes;
  }

  #keyOf(row: number): string {
    return `${this.#prefix}${this.#segmentOf(row)}`;
  }

  /** The nodes that have a segment, "host:port", the primary first. */
  #nodesWith(segment: number): readonly string[] {
    return this.#cluster.slots[hashSlot(`${segment}`, this.#crc)] ?? [];
  }

  /** The same as text. Keys with the same nodes share a pipeline. */
  #nodesOf(segment: number): string {
    return this.#nodesWith(segment).join(", ") || "no node";
  }

  #laneOf(segment: number): ValkeyLane | undefined {
    const [node] = this.#nodesWith(segment);
    return node === undefined ? undefined : (this.#lanes.get(node) ?? this.#laneTo(node));
  }

  #laneTo(node: string): ValkeyLane {
    const colon = node.lastIndexOf(":");
    const { username, password, timeout = 2000, isEncrypted } = this.#options;
    const lane = new ValkeyLane({
      host: node.slice(0, colon),
      port: Number(node.slice(colon + 1)),
      username,
      password,
      timeout,
      isEncrypted,
      pieceBytes: this.#pieceBytes,
    });
    this.#lanes.set(node, lane);
    return lane;
  }

  #fail(rows: Uint32Array, missing: readonly Refusal[], tries: number): never {
    const [first] = missing;
    throw new StoreError(
      `${describe(this.#options)}: ${missing.length} rows did not come in ${tries} tries; row ` +
        `${rows[first!.place]} from ${first!.reason}`,
    );
  }

  #checkOpen(): void {
    if (this.#isClosed)
      throw new StoreError(`${describe(this.#options)}: the store was closed; open it again`);
  }
}
