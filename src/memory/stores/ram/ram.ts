/**
 * A table in memory: segments of SharedArrayBuffer where there is one, zero at first. Pages that were never touched take no memory, so a
 * table may be larger than the part that a run uses. Rows are copied by WebAssembly where it is available, otherwise
 * by loops. Knows nothing of tokens, number formats or tensors.
 */
import { InvalidConfigError, StoreError } from "../../../errors.ts";
import { checkRead, checkTableSize, checkWrite, type WritableRowStore } from "../../store.ts";
import type { StoreReport } from "../../tiers.ts";
import { loopCopier, type RowCopier, wasmCopier } from "./row-copier.ts";
import { createWasmRowCopy, MAX_MEMORY_BYTES, type WasmMemory } from "./wasm-row-copy.ts";

export interface RamStoreOptions {
  readonly numRows: number;
  readonly rowBytes: number;
  /** Upper limit of a segment's size, at most 4 GiB; segments hold a power of two of rows. */
  readonly segmentBytes?: number;
  /** Called once for each segment before its first use, to ask for huge pages. */
  readonly advise?: ((buffer: ArrayBufferLike) => void) | undefined;
  /**
   * Smaller tables are copied by JavaScript loops: they fit into the processor's caches, and each WebAssembly memory
   * takes 10 GiB of address space on V8. `Infinity` turns WebAssembly off.
   */
  readonly wasmFromBytes?: number;
}

export class RamStore implements WritableRowStore {
  readonly numRows: number;
  readonly rowBytes: number;
  /** All rows in order, `rowsPerSegment` to a segment (the last may have fewer): for snapshots. */
  readonly segments: readonly Uint8Array[];
  readonly rowsPerSegment: number;
  readonly #copier: RowCopier;
  #isClosed = false;

  constructor(options: RamStoreOptions) {
    const { numRows, rowBytes, segmentBytes = MAX_MEMORY_BYTES } = options;
    checkTableSize(options);
    if (!(segmentBytes >= rowBytes && segmentBytes <= MAX_MEMORY_BYTES))
      throw new InvalidConfigError(
        `a segment holds at least one row of ${rowBytes} bytes and at most ${MAX_MEMORY_BYTES} bytes, ` +
          `segmentBytes is ${segmentBytes}`,
      );
    this.numRows = numRows;
    this.rowBytes = rowBytes;
    const shift = Math.min(31, Math.floor(Math.log2(segmentBytes / rowBytes)));
    this.rowsPerSegment = 2 ** shift;
    const { segments, copier } = allocate(options, shift);
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

interface Allocated {
  readonly segments: Uint8Array[];
  readonly copier: RowCopier;
}

function allocate(options: RamStoreOptions, shift: number): Allocated {
  const { numRows, rowBytes, wasmFromBytes = 16 * 2 ** 20, advise } = options;
  const wasm = numRows * rowBytes < wasmFromBytes ? undefined : createWasmRowCopy();
  const memories: WasmMemory[] = [];
  const segments: Uint8Array[] = [];
  // Web pages have it only where their server isolates them.
  const Memory = globalThis.SharedArrayBuffer ?? ArrayBuffer;
  const rowsPerSegment = 2 ** shift;
  for (let first = 0; first < numRows; first += rowsPerSegment) {
    const bytes = Math.min(rowsPerSegment, numRows - first) * rowBytes;
    try {
      const memory = wasm?.allocate(bytes, { shared: true });
      if (memory !== undefined) memories.push(memory);
      segments.push(new Uint8Array(memory?.buffer ?? new Memory(bytes), 0, bytes));
    } catch (cause) {
      throw new StoreError(
        `a table of ${numRows} rows of ${rowBytes} bytes (${(numRows * rowBytes) / 2 ** 30} GiB) does ` +
          `not fit: a segment of ${bytes} bytes was refused; use fewer rows, a smaller format or a file`,
        { cause },
      );
    }
    advise?.(segments.at(-1)!.buffer);
  }
  const copier =
    wasm === undefined
      ? loopCopier(segments, { rowBytes, shift })
      : wasmCopier(memories, { wasm, rowBytes, shift });
  return { segments, copier };
}
