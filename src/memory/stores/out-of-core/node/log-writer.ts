/**
 * The background writer of an out-of-core table: appends changed rows to the log, least recently used first, and
 * empties sparse segments so that the log does not grow without bound. It does one thing at a time; rows may be read
 * and changed meanwhile. A failure is final: the next use of the table reports it, and what was saved stays saved.
 * Knows nothing of who reads or writes rows.
 */
import { StoreError } from "../../../../errors.ts";
import type { LogSegments } from "../log-segments.ts";
import type { RecordCache } from "../record-cache.ts";
import { RecordBuffer } from "../row-log-format.ts";
import type { RowLog } from "./row-log.ts";

/**
 * The writer keeps this share of the cache clean, least recently used rows first, so that reads find rows to evict.
 */
const CLEAN_SHARE = 1 / 4;
/** Segments emptied for each one filled: more than one, so that emptying can catch up. */
const EMPTIED_PER_BATCH = 2;

export interface LogWriterOptions {
  readonly log: RowLog;
  readonly cache: RecordCache;
  readonly segments: LogSegments;
  readonly partBytes: readonly number[];
}

export class LogWriter {
  readonly #log: RowLog;
  readonly #cache: RecordCache;
  readonly #segments: LogSegments;
  readonly #partBytes: readonly number[];
  readonly #records: RecordBuffer;
  readonly #parts: readonly Uint8Array[];
  readonly #slots: Uint32Array;
  readonly #moved: Uint32Array;
  /** Cache entries to write in this pass. */
  readonly #due: Uint32Array;
  #tail: Promise<void> = Promise.resolve();
  #isKicked = false;
  #failure: unknown;
  rowsWritten = 0;
  rowsMoved = 0;

  constructor({ log, cache, segments, partBytes }: LogWriterOptions) {
    this.#log = log;
    this.#cache = cache;
    this.#segments = segments;
    this.#partBytes = partBytes;
    const batch = segments.recordsPerSegment;
    this.#records = new RecordBuffer(new Uint8Array(batch * log.recordBytes), log.recordBytes);
    this.#parts = partBytes.map((bytes) => new Uint8Array(batch * bytes));
    this.#slots = new Uint32Array(batch);
    this.#moved = new Uint32Array(batch);
    this.#due = new Uint32Array(cache.capacity);
  }

  /** Throws the failure of the background writer, if there was one. */
  checkHealth(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Schedules a search for changed rows among the least recently used ones, which are then written. */
  kick(): void {
    if (this.#isKicked) return;
    this.#isKicked = true;
    const { capacity } = this.#cache;
    this.#queue(() => {
      this.#isKicked = false;
      return this.#pass(Math.ceil(capacity * CLEAN_SHARE));
    }).catch(() => undefined);
  }

  /** Writes the changed rows among the `within` least recently used ones. */
  cleanOldest(within: number): Promise<void> {
    return this.#queue(() => this.#pass(within));
  }

  /** Writes all changed rows. */
  async flush(): Promise<void> {
    while (this.#cache.numDirty > 0) await this.cleanOldest(this.#cache.capacity);
    await this.settled();
  }

  /** Resolves when the writer is idle; rejects if it failed. */
  async settled(): Promise<void> {
    await this.#tail;
    this.checkHealth();
  }

  async #queue(work: () => Promise<void>): Promise<void> {
    const mine = this.#tail.then(async () => {
      this.checkHealth();
      await work().catch((error: unknown) => {
        this.#failure ??= error;
        throw error;
      });
    });
    this.#tail = mine.catch(() => undefined);
    return mine;
  }

  async #pass(within: number): Promise<void> {
    const count = this.#cache.collectDirty(within, this.#due);
    const batch = this.#slots.length;
    for (let first = 0; first < count; first += batch) {
      await this.#writeBatch(this.#due.subarray(first, Math.min(first + batch, count)));
      for (let i = 0; i < EMPTIED_PER_BATCH; i++) {
        const victim = this.#segments.victim();
        if (victim === undefined) break;
        await this.#empty(victim);
      }
    }
  }

  async #writeBatch(entries: Uint32Array): Promise<void> {
    const { bytes } = this.#records;
    const { recordBytes } = this.#log;
    let from = 0;
    for (const [part, partBytes] of this.#partBytes.entries()) {
      const source = this.#parts[part]!;
      this.#cache.parts[part]!.readSync(entries, source);
      for (let i = 0, at = 0, to = from; i < entries.length; i++, to += recordBytes - partBytes)
        for (const end = at + partBytes; at < end; at++, to++) bytes[to] = source[at]!;
      from += partBytes;
    }
    for (let i = 0; i < entries.length; i++) this.#records.seal(i, this.#cache.rowIn(entries[i]!));
    this.#cache.beginWriting(entries);
    try {
      await this.#append(entries.length);
    } catch (error) {
      this.#cache.abandonWriting(entries);
      throw error;
    }
    for (let i = 0; i < entries.length; i++) {
      const before = this.#cache.endWriting(entries[i]!, this.#slots[i]!);
      if (before !== 0) this.#segments.release(before);
    }
    this.rowsWritten += entries.length;
  }

  /** Moves the live records of a segment. Rows that are in memory are written again instead. */
  async #empty(segment: number): Promise<void> {
    const { recordBytes, path, spec } = this.#log;
    const { bytes } = this.#records;
    const firstSlot = this.#segments.firstSlotOf(segment);
    const inFile = await this.#log.slotsFrom(firstSlot);
    const count = Math.min(this.#segments.recordsPerSegment, inFile);
    await this.#log.readRun(firstSlot, bytes.subarray(0, count * recordBytes));
    let found = 0;
    let numMoved = 0;
    for (let i = 0; i < count; i++) {
      const row = this.#records.rowAt(i * recordBytes);
      if (row < 0 || row >= spec.numRows) continue;
      if (this.#cache.logSlotOf(row) !== firstSlot + i) continue;
      found++;
      if (this.#cache.isInMemory(row)) this.#cache.rewrite(row);
      else {
        bytes.copyWithin(numMoved * recordBytes, i * recordBytes, (i + 1) * recordBytes);
        this.#moved[numMoved++] = row;
      }
    }
    if (found !== this.#segments.liveIn(segment))
      throw new StoreError(
        `${path}: ${this.#segments.liveIn(segment)} rows have their record among ${firstSlot}..` +
          `${firstSlot + count - 1}, only ${found} are whole there; the file is damaged, go on from a copy or begin anew`,
      );
    this.#segments.markEmptied(segment);
    // The index of each row's record before the records were moved together.
    const sources = this.#moved.slice(0, numMoved).map((row) => this.#cache.logSlotOf(row));
    await this.#append(numMoved);
    // Only this writer appends, so there is no newer record. But rows may have entered memory meanwhile.
    for (let i = 0; i < numMoved; i++) {
      this.#cache.relocate(this.#moved[i]!, this.#slots[i]!);
      this.#segments.release(sources[i]!);
    }
    this.rowsMoved += numMoved;
  }

  #append(count: number): Promise<void> {
    return this.#log.append(this.#records.bytes, {
      count,
      segments: this.#segments,
      slots: this.#slots,
    });
  }
}
