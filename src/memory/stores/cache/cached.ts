/**
 * A bounded cache around any store. Hits are copied at once. The missed rows of a batch are read together, each once
 * even if several reads want it at the same time. Writes go through. Hinted rows are loaded into a small prefetch
 * buffer, so that a wrong hint evicts nothing. They are loaded a few at a time, and only while no read waits, so that
 * they delay no read. Knows nothing of what rows hold, nor of where the inner store keeps them.
 *
 * A row is never stale. A write first removes its rows from the cache, the prefetch buffer and every load in flight
 * (such a load still answers the reads that joined it before, but keeps nothing). It inserts the new bytes when the
 * inner store has them, unless another write of the same row overlaps.
 */
import { InvalidConfigError, StoreError } from "../../../errors.ts";
import { checkRead, checkRows, checkWrite, type RowStore, type WriteOf } from "../../store.ts";
import type { StoreReport } from "../../tiers.ts";
import { type Admission, type CachePolicy, createAdmission } from "./admission.ts";
import {
  type CacheOptions,
  type CacheStats,
  footprint,
  largestCapacity,
  reportCache,
  type RowCounts,
  PREFETCH_OVERHEAD,
  PREFETCH_SHARE,
} from "./cache-options.ts";
import { HintQueue } from "./hint-queue.ts";
import { RamStore } from "../ram/ram.ts";
import { type Load, type LoadEntry, newLoad, type WriteState } from "./row-loads.ts";
import type { RowSlots } from "./row-slots.ts";

/** Hinted rows in one load, and loads in flight: the most that a read may have to wait for. */
const HINT_ROWS = 8;
const HINT_LOADS = 2;
/**
 * After this many loads in a row that the inner store could answer at once, the rest of the queue is dropped: trying
 * costs this thread a few microseconds a row.
 */
const MOST_AT_HAND = 4;
/** Hinted rows in the queue, 4 bytes each. */
const QUEUED_ROWS = 65_536;
/** Rows read at a time while warming. */
const WARM_ROWS = 4096;

/** Wraps `store` in a cache of at most `bytes`. Owns `store`. */
export function cached<Store extends RowStore>(
  store: Store,
  options: CacheOptions,
): CachedStore & WriteOf<Store> {
  return new CachedStore(store, options) as CachedStore & WriteOf<Store>;
}

export class CachedStore implements RowStore {
  readonly numRows: number;
  readonly rowBytes: number;
  readonly policy: CachePolicy;
  readonly inner: RowStore;
  readonly write?: (rows: Uint32Array, from: Uint8Array) => Promise<void>;
  readonly #slots: RowSlots;
  readonly #slab: RamStore;
  readonly #admission: Admission;
  readonly #capacityBytes: number;
  readonly #prefetchBytes: number;
  /** Rows in flight, and the prefetch buffer: hinted rows that no read has used yet. */
  readonly #coming = new Map<number, LoadEntry>();
  /** Loads for hints, oldest first. */
  readonly #hints = new Set<Load>();
  #hintBytes = 0;
  #numHintLoads = 0;
  /** Hinted rows whose load has not started. */
  readonly #queue: HintQueue;
  /** Reads that wait for the inner store. */
  #numDemands = 0;
  /** Resolves when no read waits any more. Present only while somebody waits for that. */
  #quiet: PromiseWithResolvers<void> | undefined;
  readonly #writing = new Map<number, WriteState>();
  readonly #count = {
    hits: 0,
    misses: 0,
    joined: 0,
    prefetchHits: 0,
    prefetchedRows: 0,
    prefetchesWasted: 0,
    bytesRead: 0,
    warmedRows: 0,
    evictions: 0,
    rejected: 0,
  };
  #slotOf = new Uint32Array(0);
  readonly #oneSlot = new Uint32Array(1);
  /** Scratch space for hinted rows that the inner store answers at once. */
  readonly #scratch: Uint8Array;
  #isClosed = false;

  constructor(inner: RowStore, { bytes, policy = "windowed" }: CacheOptions) {
    this.numRows = inner.numRows;
    this.rowBytes = inner.rowBytes;
    this.policy = policy;
    this.inner = inner;
    if (inner.write !== undefined)
      this.write = async (rows, from) => {
        this.#beginWrite(rows, from);
        let isWritten = false;
        try {
          await inner.write!(rows, from);
          isWritten = true;
        } finally {
          this.#endWrite(rows, from, isWritten);
        }
      };
    this.#prefetchBytes = Math.floor(bytes * PREFETCH_SHARE);
    this.#scratch = new Uint8Array(HINT_ROWS * this.rowBytes);
    this.#queue = new HintQueue(
      Math.min(QUEUED_ROWS, Math.floor(this.#prefetchBytes / (this.rowBytes + PREFETCH_OVERHEAD))),
    );
    const capacity = largestCapacity(bytes - this.#prefetchBytes, inner, policy);
    this.#capacityBytes = footprint(capacity, inner, policy) + this.#prefetchBytes;
    this.#admission = createAdmission(policy, capacity);
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

  report(): StoreReport {
    return reportCache(this.stats, this.rowBytes);
  }

  async read(rows: Uint32Array, into: Uint8Array): Promise<void> {
    this.#checkOpen();
    checkRead(this, rows, into);
    const missing = this.#find(rows);
    if (missing.length === 0) {
      this.#serveFound(rows, { into, missing });
      return;
    }
    this.#numDemands++;
    try {
      // The inner store's read has started when this returns its promise, so hits are copied while it works.
      const others = this.#serveMissing(rows, { into, missing });
      this.#serveFound(rows, { into, missing });
      await others;
    } finally {
      if (--this.#numDemands === 0) {
        this.#quiet?.resolve();
        this.#quiet = undefined;
      }
      this.#readHints();
    }
  }

  /** Serves rows from the cache, from the prefetch buffer, or from an inner store that answers at once. */
  readNow(rows: Uint32Array, into: Uint8Array): boolean {
    this.#checkOpen();
    checkRead(this, rows, into);
    const missing = this.#find(rows);
    if (missing.length === 0) {
      this.#serveFound(rows, { into, missing });
      return true;
    }
    const fresh = new Map<number, number>();
    for (const at of missing) {
      const row = rows[at]!;
      if (fresh.has(row)) continue;
      const entry = this.#coming.get(row);
      if (entry?.load.isHere === true) continue;
      if (entry !== undefined || this.#writing.has(row) || this.inner.readNow === undefined)
        return false;
      fresh.set(row, fresh.size);
    }
    const load = newLoad(new Uint8Array(fresh.size * this.rowBytes), {});
    if (fresh.size > 0) {
      if (this.inner.readNow!(Uint32Array.from(fresh.keys()), load.bytes) !== true) return false;
      this.#count.bytesRead += load.bytes.length;
    }
    this.#serveFound(rows, { into, missing });
    const taken = new Set<LoadEntry>();
    for (const at of missing) {
      const row = rows[at]!;
      const place = fresh.get(row);
      const hinted = place === undefined ? this.#coming.get(row)! : undefined;
      this.#count[hinted === undefined ? "misses" : "prefetchHits"]++;
      this.#copy(hinted ?? { load, place: place! }, { into, at });
      if (hinted !== undefined) taken.add(hinted);
    }
    for (const entry of taken) this.#takeHint(entry);
    for (const [row, place] of fresh) this.#admit({ row, place, load, isKept: true });
    return true;
  }

  /** Queues rows to be loaded while no read waits. Rows that do not fit into the queue are dropped. */
  prefetch(rows: Uint32Array): void {
    if (this.#isClosed) return;
    this.#queue.push(rows.slice());
    this.#readHints();
  }

  #readHints(): void {
    const { rowBytes } = this;
    const cost = rowBytes + PREFETCH_OVERHEAD;
    const room = Math.min(HINT_ROWS, Math.floor(this.#prefetchBytes / cost));
    const isWanted = (row: number): boolean =>
      row < this.numRows &&
      !this.#coming.has(row) &&
      !this.#writing.has(row) &&
      this.#slots.find(row) < 0;
    let numAtHand = 0;
    while (!this.#isClosed && this.#numDemands === 0 && this.#numHintLoads < HINT_LOADS) {
      const wanted = room === 0 ? [] : this.#queue.take(room, isWanted);
      if (wanted.length === 0) return;
      // Rows that the inner store answers at once need no hint. Most likely the rest of the queue needs
      // none, either.
      if (this.inner.readNow?.(Uint32Array.from(wanted), this.#scratch) === true) {
        if (++numAtHand === MOST_AT_HAND) this.#queue.clear();
        continue;
      }
      for (const oldest of this.#hints) {
        if (this.#hintBytes + wanted.length * cost <= this.#prefetchBytes) break;
        this.#dropHint(oldest);
      }
      this.#hintBytes += wanted.length * cost;
      this.#count.prefetchedRows += wanted.length;
      this.#numHintLoads++;
      const load = this.#startLoad(wanted, { isHint: true });
      this.#hints.add(load);
      const isOver = (): void => {
        this.#numHintLoads--;
        this.#readHints();
      };
      load.done.then(isOver, () => {
        this.#dropHint(load);
        isOver();
      });
    }
  }

  /**
   * Fills free slots with the most used of `rows`, and gives the counts to the admission policy. Loads the rows in
   * row order, and starts no load while a read waits.
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
      while (this.#numDemands > 0) await (this.#quiet ??= Promise.withResolvers()).promise;
      this.#checkOpen();
      const some = [...best.subarray(first, first + WARM_ROWS)].filter(
        (row) => this.#slots.find(row) < 0 && !this.#coming.has(row) && !this.#writing.has(row),
      );
      await this.#startLoad([...new Set(some)], { isWarming: true }).done;
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#queue.clear();
    await this.inner.close();
  }

  /** Comes before the write to the inner store: from now on no read may find the old bytes. */
  #beginWrite(rows: Uint32Array, from: Uint8Array): void {
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

  /** Comes after the write. `isWritten`: the inner store now holds `from`. */
  #endWrite(rows: Uint32Array, from: Uint8Array, isWritten: boolean): void {
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

  /** Writes the slots of rows to `#slotOf`; returns the batch indices of rows that are not in the cache. */
  #find(rows: Uint32Array): number[] {
    if (this.#slotOf.length < rows.length) this.#slotOf = new Uint32Array(rows.length);
    const slotOf = this.#slotOf;
    const missing: number[] = [];
    for (let i = 0; i < rows.length; i++) {
      const slot = this.#slots.find(rows[i]!);
      // Missing rows get the bytes of slot 0 for now: one copy of the whole batch is the fastest.
      slotOf[i] = Math.max(0, slot);
      if (slot < 0) missing.push(i);
    }
    return missing;
  }

  /** Copies the hits and tells the policy about all reads. Comes directly after `#find`. */
  #serveFound(
    rows: Uint32Array,
    { into, missing }: { into: Uint8Array; missing: readonly number[] },
  ): void {
    const slotOf = this.#slotOf;
    if (missing.length < rows.length) this.#slab.readSync(slotOf.subarray(0, rows.length), into);
    this.#count.hits += rows.length - missing.length;
    for (let i = 0, next = 0; i < rows.length; i++) {
      const isMissing = missing[next] === i;
      if (isMissing) next++;
      this.#admission.asked(rows[i]!, isMissing ? -1 : slotOf[i]!);
    }
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

  /** The load of another read failed. Ours may succeed, and a failed hint must never fail a read. */
  async #readAgain(
    rows: Uint32Array,
    { into, places }: { into: Uint8Array; places: readonly number[] },
  ): Promise<void> {
    const { rowBytes } = this;
    const bytes = new Uint8Array(places.length * rowBytes);
    await this.inner.read(
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
    const load = newLoad(new Uint8Array(rows.length * this.rowBytes), { isHint, isWarming });
    load.numUnread = rows.length;
    for (const [place, row] of rows.entries()) {
      // A row that is being written is read but not kept: its bytes may be old.
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
      await this.inner.read(
        Uint32Array.from(load.entries, ({ row }) => row),
        load.bytes,
      );
      this.#count.bytesRead += load.bytes.length;
      load.isHere = true;
    } catch (error) {
      for (const entry of load.entries) this.#forget(entry);
      throw error;
    }
    // Hinted rows stay in the prefetch buffer (`#coming`) and are admitted when they are read.
    if (load.isHint) return;
    for (const entry of load.entries) {
      this.#forget(entry);
      this.#admit(entry);
    }
  }

  #forget(entry: LoadEntry): void {
    if (this.#coming.get(entry.row) === entry) this.#coming.delete(entry.row);
  }

  /** A hinted row was read: it leaves the prefetch buffer and may get a slot. */
  #takeHint(entry: LoadEntry): void {
    if (this.#coming.get(entry.row) !== entry) return;
    this.#coming.delete(entry.row);
    this.#leaveWaiting(entry.load);
    this.#admit(entry);
  }

  #leaveWaiting(load: Load): void {
    if (--load.numUnread === 0) this.#dropHint(load);
  }

  #dropHint(load: Load): void {
    if (!this.#hints.delete(load)) return;
    this.#hintBytes -= load.entries.length * (this.rowBytes + PREFETCH_OVERHEAD);
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
      else {
        this.#put(this.#admission.keep(row), bytes);
        this.#count.warmedRows++;
      }
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

  #copy(
    entry: Pick<LoadEntry, "place" | "load">,
    { into, at }: { into: Uint8Array; at: number },
  ): void {
    const { rowBytes } = this;
    const from = entry.place * rowBytes;
    into.set(entry.load.bytes.subarray(from, from + rowBytes), at * rowBytes);
  }

  #checkOpen(): void {
    if (this.#isClosed)
      throw new StoreError(`the cache over ${this.numRows} rows was closed; open its store again`);
  }
}
