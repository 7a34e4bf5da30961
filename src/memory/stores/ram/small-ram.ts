/**
 * A table in memory: segments of SharedArrayBuffer where there is one, zero at first. Pages that were never touched take
 * no memory, so a table may be larger than the part that a run uses. Rows are copied by loops, or as the caller says.
 * Knows nothing of tokens, number formats or tensors.
 */
import { InvalidConfigError, StoreError } from "../../../errors.ts";
import { checkRead, checkTableSize, checkWrite, type WritableRowStore } from "../../store.ts";
import type { StoreReport } from "../../tiers.ts";
import { loopCopier, type RowCopier, type SegmentShape } from "./row-copier.ts";

/** As far as addresses of 32 bits reach. */
const MAX_SEGMENT_BYTES = 2 ** 32;

/**
 * From this size on WebAssembly pays. Smaller tables fit into the processor's caches, and each WebAssembly memory takes
 * 10 GiB of address space on V8.
 */
export const LARGE_TABLE_BYTES: number = 16 * 2 ** 20;

export interface SmallRamStoreOptions {
  readonly numRows: number;
  readonly rowBytes: number;
  /** Upper limit of a segment's size, at most 4 GiB; segments hold a power of two of rows. */
  readonly segmentBytes?: number;
  /** Called once for each segment before its first use, to ask for huge pages. */
  readonly advise?: ((buffer: ArrayBufferLike) => void) | undefined;
}

/** Memory for segments, and what copies their rows. */
export interface RowMemory {
  /** Throws if there is not enough. */
  allocate(bytes: number): ArrayBufferLike;
  /** Of all segments that were allocated. */
  copier(segments: readonly Uint8Array[], shape: SegmentShape): RowCopier;
}

export class SmallRamStore implements WritableRowStore {
  readonly numRows: number;
  readonly rowBytes: number;
  /** All rows in order, `rowsPerSegment` to a segment (the last may have fewer): for snapshots. */
  readonly segments: readonly Uint8Array[];
  readonly rowsPerSegment: number;
  readonly #copier: RowCopier;
  #isClosed = false;

  constructor(options: SmallRamStoreOptions, memory: RowMemory = loopedMemory) {
    const { numRows, rowBytes, segmentBytes = MAX_SEGMENT_BYTES } = options;
    checkTableSize(options);
    if (!(segmentBytes >= rowBytes && segmentBytes <= MAX_SEGMENT_BYTES))
      throw new InvalidConfigError(
        `a segment holds at least one row of ${rowBytes} bytes and at most ${MAX_SEGMENT_BYTES} bytes, ` +
          `segmentBytes is ${segmentBytes}`,
      );
    this.numRows = numRows;
    this.rowBytes = rowBytes;
    const shift = Math.min(31, Math.floor(Math.log2(segmentBytes / rowBytes)));
    this.rowsPerSegment = 2 ** shift;
    const { segments, copier } = allocate(options, { shift, memory });
    this.segments = segments;
    this.#copier = copier;
  }

  async read(rows: Uint32Array, into: Uint8Array): Promise<void> {
    this.readSync(rows, into);
  }

  /** `read` without a promise: a table in memory never waits. */
  readSync(rows: Uint32Array, into: Uint8Array): void {
    this.#checkOpen();
    checkRead(this, rows, into);
    this.#copier.read(rows, into);
  }

  readNow(rows: Uint32Array, into: Uint8Array): boolean {
    this.readSync(rows, into);
    return true;
  }

  async write(rows: Uint32Array, from: Uint8Array): Promise<void> {
    this.writeSync(rows, from);
  }

  writeSync(rows: Uint32Array, from: Uint8Array): void {
    this.#checkOpen();
    checkWrite(this, rows, from);
    this.#copier.write(rows, from);
  }

  report(): StoreReport {
    const { numRows, rowBytes } = this;
    return { tier: { tier: "ram", rows: numRows, bytes: numRows * rowBytes } };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  #checkOpen(): void {
    if (this.#isClosed)
      throw new StoreError(`the RAM store of ${this.numRows} rows was closed; open it again`);
  }
}

const loopedMemory: RowMemory = {
  // Web pages have shared memory only where their server isolates them.
  allocate: (bytes) => new (globalThis.SharedArrayBuffer ?? ArrayBuffer)(bytes),
  copier: loopCopier,
};

interface Allocated {
  readonly segments: Uint8Array[];
  readonly copier: RowCopier;
}

function allocate(
  { numRows, rowBytes, advise }: SmallRamStoreOptions,
  { shift, memory }: { shift: number; memory: RowMemory },
): Allocated {
  const segments: Uint8Array[] = [];
  const rowsPerSegment = 2 ** shift;
  for (let first = 0; first < numRows; first += rowsPerSegment) {
    const bytes = Math.min(rowsPerSegment, numRows - first) * rowBytes;
    try {
      segments.push(new Uint8Array(memory.allocate(bytes), 0, bytes));
    } catch (cause) {
      throw new StoreError(
        `a table of ${numRows} rows of ${rowBytes} bytes (${(numRows * rowBytes) / 2 ** 30} GiB) does ` +
          `not fit: a segment of ${bytes} bytes was refused; use fewer rows, a smaller format or a file`,
        { cause },
      );
    }
    advise?.(segments.at(-1)!.buffer);
  }
  return { segments, copier: memory.copier(segments, { rowBytes, shift }) };
}
