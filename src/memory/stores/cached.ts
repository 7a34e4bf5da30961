/**
 * A bounded cache around any store. Hits are copied at once; the rows a batch misses are read together,
 * once each, however many reads want them at the time. Writes go through. Hints are loaded into a small
 * waiting room of their own, so that a wrong guess pushes nothing out. Knows nothing of what rows hold
 * nor of where the other store keeps them.
 *
 * Never a stale row: a write first takes its rows out of the cache, the waiting room and every load under
 * way (which then answers those who joined it before, and keeps nothing), and puts the new bytes in when
 * the other store has them, unless another write of the same row was under way with it.
 */
import { InvalidConfigError, StoreError } from "../../errors.ts";
import {
  checkRead,
  checkRows,
  checkWrite,
  type RowStore,
  type WritableRowStore,
} from "../store.ts";
import {
  type Admission,
  admissionBytes,
  type CachePolicy,
  createAdmission,
  type WindowShares,
} from "./admission.ts";
import { RamStore } from "./ram.ts";
import type { RowSlots } from "./row-slots.ts";

export interface CacheOptions {
  /** All memory the cache may take: rows, index, counters and the waiting room. */
  readonly bytes: number;
  /** Default `lru`, which had most hits on running text (docs/log.md). */
  readonly policy?: CachePolicy;
  /** For measurements of the `windowed` policy; the default is their outcome. */
  readonly windowShares?: WindowShares;
}

/** Since the store was made. Rows are counted as asked for, repeats included. */
export interface CacheStats {
  readonly hits: number;
  /** Not there and not on their way. */
  readonly misses: number;
  /** On their way for another read, which was joined. */
  readonly joined: number;
  /** A hint had brought them, or was bringing them. */
  readonly prefetchHits: number;
  /** Rows that hints had read, and those among them dropped before anyone asked. */
  readonly prefetchedRows: number;
  readonly prefetchesWasted: number;
  /** Read from the other store. */
  readonly bytesRead: number;
  readonly evictions: number;
  /** Missed rows that got no slot. */
  readonly rejected: number;
  readonly residentRows: number;
  readonly capacityRows: number;
  /** What the cache takes, all of it reserved at the start. */
  readonly capacityBytes: number;
}

/** How often rows were used, for warming. Any order; both as long as each other. */
export interface RowCounts {
  readonly rows: Uint32Array;
  readonly counts: Uint32Array;
}

/** Rows that are read together. */
interface Load {
  readonly entries: LoadEntry[];
  readonly bytes: Uint8Array;
  readonly isHint: boolean;
  /** Keep the rows wherever there is a free slot, without asking the policy. */
  readonly isWarming: boolean;
  /** Entries that nobody has asked for yet: a hint leaves the waiting room with its last one. */
  numWaiting: number;
  done: Promise<void>;
}

interface LoadEntry {
  readonly row: number;
  readonly place: number;
  readonly load: Load;
  /** False once a write has made the bytes old. */
  isKept: boolean;
}

interface WriteState {
  writers: number;
  isContested: boolean;
  wasCached: boolean;
}

/** Share of `bytes` for hinted rows. */
const WAITING_SHARE = 1 / 8;
/** What an entry of the waiting room takes besides its row: an object and a place in a map. */
const WAITING_OVERHEAD = 100;
/** Rows read at a time while warming. */
const WARM_ROWS = 4096;

/** Puts a cache of at most `bytes` around `store`, which it then owns. */
export function cached(store: RowStore | WritableRowStore, options: CacheOptions): CachedStore {
  return "write" in store
    ? new WritableCachedStore(store, options)
    : new CachedStore(store, options);
}

export class CachedStore implements RowStore {
  readonly numRows: number;
  readonly rowBytes: number;
  readonly policy: CachePolicy;
  readonly #inner: RowStore;
  readonly #slots: RowSlots;
  readonly #slab: RamStore;
  readonly #admission: Admission;
  readonly #capacityBytes: number;
  readonly #waitingBytes: number;
  /** Rows on their way, and hinted rows that nobody has asked for yet. */
  readonly #coming = new Map<number, LoadEntry>();
  /** Loads of hints, oldest first. */
  readonly #hints = new Set<Load>();
  #hintBytes = 0;
  readonly #writing = new Map<number, WriteState>();
  readonly #count = {
    hits: 0,
    misses: 0,
    joined: 0,
    prefetchHits: 0,
    prefetchedRows: 0,
    prefetchesWasted: 0,
    bytesRead: 0,
    evictions: 0,
    rejected: 0,
  };
  #slotOf = new Uint32Array(0);
  readonly #oneSlot = new Uint32Array(1);
  #isClosed = false;

  constructor(inner: RowStore, { bytes, policy = "lru", windowShares }: CacheOptions) {
    this.numRows = inner.numRows;
    this.rowBytes = inner.rowBytes;
    this.policy = policy;
    this.#inner = inner;
    this.#waitingBytes = Math.floor(bytes * WAITING_SHARE);
    const capacity = largestCapacity(bytes - this.#waitingBytes, inner, policy);
    this.#capacityBytes = footprint(capacity, inner, policy) + this.#waitingBytes;
    this.#admission = createAdmission(policy, capacity, windowShares);
    this.#slots = this.#admission.slots;
    this.#slab = new RamStore({ numRows: capacity, rowBytes: inner.rowBytes });
  }

  get stats(): CacheStats {
    return {
      ...this.#count,
      residentRows: this.#slots.size,
      capacityRows: this.#slots.capacity,
      capacityBytes: this.#capacityBytes,
    };
  }

  async read(rows: Uint32Array, into: Uint8Array): Promise<void> {
    this.#checkOpen();
    checkRead(this, rows, into);
    const missing = this.#serveHits(rows, into);
    if (missing.length > 0) await this.#serveMissing(rows, { into, missing });
  }

  /** Starts reading rows that are neither here nor on their way. What finds no room is forgotten. */
  prefetch(rows: Uint32Array): void {
    if (this.#isClosed) return;
    const wanted = new Set<number>();
    const cost = this.rowBytes + WAITING_OVERHEAD;
    for (let i = 0; i < rows.length && (wanted.size + 1) * cost <= this.#waitingBytes; i++) {
      const row = rows[i]!;
      const isComing = this.#coming.has(row) || this.#writing.has(row) || row >= this.numRows;
      if (!isComing && this.#slots.find(row) < 0) wanted.add(row);
    }
    if (wanted.size === 0) return;
    for (const oldest of this.#hints) {
      if (this.#hintBytes + wanted.size * cost <= this.#waitingBytes) break;
      this.#dropHint(oldest);
    }
    this.#hintBytes += wanted.size * cost;
    this.#count.prefetchedRows += wanted.size;
    const load = this.#startLoad([...wanted], { isHint: true });
    this.#hints.add(load);
    load.done.catch(() => this.#dropHint(load));
  }

  /**
   * Fills free slots with the most used of `rows`, and teaches the frequency policy what is usual. Reads
   * them in the order they lie in.
   */
  async warm({ rows, counts }: RowCounts): Promise<void> {
    this.#checkOpen();
    if (rows.length !== counts.length)
      throw new InvalidConfigError(
        `each row to warm has a count: got ${rows.length} rows and ${counts.length} counts`,
      );
    checkRows(this, rows);
    const order = Array.from(rows, (_, i) => i).toSorted((a, b) => counts[b]! - counts[a]!);
    for (const i of order) this.#admission.teach(rows[i]!, counts[i]!);
    const free = this.#slots.capacity - this.#slots.size;
    const best = Uint32Array.from(order.slice(0, free), (i) => rows[i]!).toSorted();
    for (let first = 0; first < best.length; first += WARM_ROWS) {
      const some = [...best.subarray(first, first + WARM_ROWS)].filter(
        (row) => this.#slots.find(row) < 0 && !this.#coming.has(row) && !this.#writing.has(row),
      );
      await this.#startLoad([...new Set(some)], { isWarming: true }).done;
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#inner.close();
  }

  /** Before the other store is written: nobody may find the old bytes from now on. */
  protected beginWrite(rows: Uint32Array, from: Uint8Array): void {
    this.#checkOpen();
    checkWrite(this, rows, from);
    for (const row of rows) {
      const entry = this.#coming.get(row);
      if (entry !== undefined) {
        entry.isKept = false;
        this.#coming.delete(row);
        if (entry.load.isHint) {
          this.#count.prefetchesWasted++;
          this.#leaveWaiting(entry.load);
        }
      }
      const wasCached = this.#slots.remove(row);
      const state = this.#writing.get(row);
      if (state === undefined)
        this.#writing.set(row, { writers: 1, isContested: false, wasCached });
      else {
        state.writers++;
        state.isContested = true;
      }
    }
  }

  /** After it: `isWritten` says that the other store now holds `from`. */
  protected endWrite(rows: Uint32Array, from: Uint8Array, isWritten: boolean): void {
    for (const [i, row] of rows.entries()) {
      const state = this.#writing.get(row)!;
      if (--state.writers > 0) continue;
      this.#writing.delete(row);
      if (isWritten && !state.isContested && state.wasCached && !this.#slots.isFull)
        this.#put(
          this.#admission.keep(row),
          from.subarray(i * this.rowBytes, (i + 1) * this.rowBytes),
        );
    }
  }

  /** Copies what is here; returns the places in the batch of what is not. */
  #serveHits(rows: Uint32Array, into: Uint8Array): number[] {
    const slots = this.#slots;
    if (this.#slotOf.length < rows.length) this.#slotOf = new Uint32Array(rows.length);
    const slotOf = this.#slotOf;
    const missing: number[] = [];
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!;
      const slot = slots.find(row);
      this.#admission.asked(row, slot);
      // A missing row's place gets slot 0's bytes for now: one copy of everything is the fastest.
      slotOf[i] = Math.max(0, slot);
      if (slot < 0) missing.push(i);
    }
    this.#count.hits += rows.length - missing.length;
    if (missing.length < rows.length) this.#slab.readSync(slotOf.subarray(0, rows.length), into);
    return missing;
  }

  async #serveMissing(
    rows: Uint32Array,
    { into, missing }: { into: Uint8Array; missing: readonly number[] },
  ): Promise<void> {
    const fresh = new Map<number, number[]>();
    const joined: { entry: LoadEntry; at: number }[] = [];
    for (const at of missing) {
      const row = rows[at]!;
      const entry = this.#coming.get(row);
      if (entry !== undefined) {
        joined.push({ entry, at });
        this.#count[entry.load.isHint ? "prefetchHits" : "joined"]++;
        continue;
      }
      this.#count.misses++;
      const places = fresh.get(row);
      if (places === undefined) fresh.set(row, [at]);
      else places.push(at);
    }
    const own = fresh.size === 0 ? undefined : this.#startLoad([...fresh.keys()], {});
    if (own !== undefined) await own.done;
    for (const entry of own?.entries ?? [])
      for (const at of fresh.get(entry.row)!) this.#copy(entry, { into, at });
    const failed: number[] = [];
    for (const { entry, at } of joined) {
      const isHere = await entry.load.done.then(
        () => true,
        () => false,
      );
      if (!isHere) failed.push(at);
      else {
        this.#copy(entry, { into, at });
        if (entry.load.isHint) this.#takeHint(entry);
      }
    }
    if (failed.length > 0) await this.#readAgain(rows, { into, places: failed });
  }

  /** Another's load failed, which need not mean that ours would; and a hint never fails a read. */
  async #readAgain(
    rows: Uint32Array,
    { into, places }: { into: Uint8Array; places: readonly number[] },
  ): Promise<void> {
    const { rowBytes } = this;
    const bytes = new Uint8Array(places.length * rowBytes);
    await this.#inner.read(
      Uint32Array.from(places, (at) => rows[at]!),
      bytes,
    );
    this.#count.bytesRead += bytes.length;
    for (const [i, at] of places.entries())
      into.set(bytes.subarray(i * rowBytes, (i + 1) * rowBytes), at * rowBytes);
  }

  #startLoad(
    rows: readonly number[],
    { isHint = false, isWarming = false }: { isHint?: boolean; isWarming?: boolean },
  ): Load {
    const load: Load = {
      entries: [],
      bytes: new Uint8Array(rows.length * this.rowBytes),
      isHint,
      isWarming,
      numWaiting: rows.length,
      done: Promise.resolve(),
    };
    for (const [place, row] of rows.entries()) {
      // A row that is being written is read for who asked, and not kept: its bytes may be old.
      const isKept = !this.#writing.has(row);
      const entry: LoadEntry = { row, place, load, isKept };
      load.entries.push(entry);
      if (isKept) this.#coming.set(row, entry);
    }
    load.done = this.#run(load);
    return load;
  }

  async #run(load: Load): Promise<void> {
    try {
      await this.#inner.read(
        Uint32Array.from(load.entries, ({ row }) => row),
        load.bytes,
      );
      this.#count.bytesRead += load.bytes.length;
    } catch (error) {
      for (const entry of load.entries) this.#forget(entry);
      throw error;
    }
    // Hinted rows wait in `#coming` for who asks; they are admitted then.
    if (load.isHint) return;
    for (const entry of load.entries) {
      this.#forget(entry);
      this.#admit(entry);
    }
  }

  #forget(entry: LoadEntry): void {
    if (this.#coming.get(entry.row) === entry) this.#coming.delete(entry.row);
  }

  /** A hinted row was asked for: it leaves the waiting room and may get a slot. */
  #takeHint(entry: LoadEntry): void {
    if (this.#coming.get(entry.row) !== entry) return;
    this.#coming.delete(entry.row);
    this.#leaveWaiting(entry.load);
    this.#admit(entry);
  }

  #leaveWaiting(load: Load): void {
    if (--load.numWaiting === 0) this.#dropHint(load);
  }

  #dropHint(load: Load): void {
    if (!this.#hints.delete(load)) return;
    this.#hintBytes -= load.entries.length * (this.rowBytes + WAITING_OVERHEAD);
    for (const entry of load.entries)
      if (this.#coming.get(entry.row) === entry) {
        this.#coming.delete(entry.row);
        this.#count.prefetchesWasted++;
      }
  }

  #admit({ row, place, load, isKept }: LoadEntry): void {
    const slots = this.#slots;
    if (!isKept || slots.find(row) >= 0) return;
    const bytes = load.bytes.subarray(place * this.rowBytes, (place + 1) * this.rowBytes);
    if (load.isWarming) {
      if (slots.isFull) this.#count.rejected++;
      else this.#put(this.#admission.keep(row), bytes);
      return;
    }
    const wasFull = slots.isFull;
    const slot = this.#admission.admit(row);
    if (slot < 0) {
      this.#count.rejected++;
      return;
    }
    if (wasFull) this.#count.evictions++;
    this.#put(slot, bytes);
  }

  #put(slot: number, bytes: Uint8Array): void {
    this.#oneSlot[0] = slot;
    this.#slab.writeSync(this.#oneSlot, bytes);
  }

  #copy(entry: LoadEntry, { into, at }: { into: Uint8Array; at: number }): void {
    const { rowBytes } = this;
    const from = entry.place * rowBytes;
    into.set(entry.load.bytes.subarray(from, from + rowBytes), at * rowBytes);
  }

  #checkOpen(): void {
    if (this.#isClosed)
      throw new StoreError(`the cache over ${this.numRows} rows was closed; open its store again`);
  }
}

/** As its base, over a store that can be written. */
class WritableCachedStore extends CachedStore implements WritableRowStore {
  readonly #writable: WritableRowStore;

  constructor(inner: WritableRowStore, options: CacheOptions) {
    super(inner, options);
    this.#writable = inner;
  }

  async write(rows: Uint32Array, from: Uint8Array): Promise<void> {
    this.beginWrite(rows, from);
    let isWritten = false;
    try {
      await this.#writable.write(rows, from);
      isWritten = true;
    } finally {
      this.endWrite(rows, from, isWritten);
    }
  }
}

type RowSize = Pick<RowStore, "rowBytes" | "numRows">;

function footprint(capacity: number, { rowBytes }: RowSize, policy: CachePolicy): number {
  return capacity * rowBytes + admissionBytes(policy, capacity);
}

/** The most rows, but no more than there are, whose footprint is within `bytes`. */
function largestCapacity(bytes: number, table: RowSize, policy: CachePolicy): number {
  const least = footprint(1, table, policy);
  if (!(bytes >= least))
    throw new InvalidConfigError(
      `a cache for rows of ${table.rowBytes} bytes needs at least ` +
        `${Math.ceil(least / (1 - WAITING_SHARE))} bytes, got ${Math.round(bytes / (1 - WAITING_SHARE))}`,
    );
  let fits = 1;
  // Row ids have 32 bits, slots 31.
  let tooMany = Math.min(table.numRows, 2 ** 30) + 1;
  while (tooMany - fits > 1) {
    const middle = Math.floor((fits + tooMany) / 2);
    if (footprint(middle, table, policy) <= bytes) fits = middle;
    else tooMany = middle;
  }
  return fits;
}
