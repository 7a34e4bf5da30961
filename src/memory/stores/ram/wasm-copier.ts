/**
 * Copies batches of rows between a table's segments and one array, by WebAssembly (`wasm-row-copy.ts`). Row r lies in
 * segment r >> shift. Does not check ranges and sizes. Knows nothing of who owns the memory.
 */
import type { RowCopier, SegmentShape } from "./row-copier.ts";
import type { RowCopyFunctions, WasmMemory, WasmRowCopy } from "./wasm-row-copy.ts";

/** Small enough to stay in the processor's caches. 32 KiB to 1 MiB measured alike, 128 KiB slightly best. */
const WINDOW_ROWS = 4096;
const WINDOW_BYTES = 128 * 1024;
const ENTRY_BYTES = 8;

export function wasmCopier(
  memories: readonly WasmMemory[],
  { wasm, rowBytes, shift }: SegmentShape & { readonly wasm: WasmRowCopy },
): RowCopier {
  const windowRows = Math.max(1, Math.min(WINDOW_ROWS, Math.floor(WINDOW_BYTES / rowBytes)));
  const rowsAt = windowRows * ENTRY_BYTES;
  const window = wasm.allocate(rowsAt + windowRows * rowBytes, { shared: false });
  const entries = new Uint32Array(window.buffer, 0, 2 * windowRows);
  const bytes = new Uint8Array(window.buffer, rowsAt, windowRows * rowBytes);
  const functions = memories.map((table) => wasm.bind({ table, window }));
  const ends = new Uint32Array(memories.length);

  /** Calls the function of each segment for its share of rows first..first+count-1. */
  function copy(
    rows: Uint32Array,
    { first, count, name }: { first: number; count: number; name: keyof RowCopyFunctions },
  ): void {
    groupBySegment(rows, { first, count, shift, entries, ends });
    for (let s = 0, start = 0; s < functions.length; s++) {
      const end = ends[s]! * ENTRY_BYTES;
      if (end > start) functions[s]![name](start, end, rowsAt, rowBytes);
      start = end;
    }
  }

  return {
    read: (rows, into) => {
      for (let first = 0; first < rows.length; first += windowRows) {
        const count = Math.min(windowRows, rows.length - first);
        copy(rows, { first, count, name: "gather" });
        into.set(bytes.subarray(0, count * rowBytes), first * rowBytes);
      }
    },
    write: (rows, from) => {
      for (let first = 0; first < rows.length; first += windowRows) {
        const count = Math.min(windowRows, rows.length - first);
        bytes.set(from.subarray(first * rowBytes, (first + count) * rowBytes));
        copy(rows, { first, count, name: "scatter" });
      }
    },
  };
}

interface Grouping {
  readonly first: number;
  readonly count: number;
  readonly shift: number;
  /** Receives (row within its segment, place in the batch), segment after segment. */
  readonly entries: Uint32Array;
  /** Receives where each segment's entries end. */
  readonly ends: Uint32Array;
}

/** A counting sort by segment. */
function groupBySegment(rows: Uint32Array, { first, count, shift, entries, ends }: Grouping): void {
  const mask = 2 ** shift - 1;
  ends.fill(0);
  if (ends.length === 1) {
    for (let i = 0; i < count; i++) {
      entries[2 * i] = rows[first + i]!;
      entries[2 * i + 1] = i;
    }
    ends[0] = count;
    return;
  }
  for (let i = 0; i < count; i++) ends[rows[first + i]! >>> shift]!++;
  for (let s = 0, start = 0; s < ends.length; s++) {
    const size = ends[s]!;
    ends[s] = start;
    start += size;
  }
  for (let i = 0; i < count; i++) {
    const row = rows[first + i]!;
    const at = 2 * ends[row >>> shift]!++;
    entries[at] = row & mask;
    entries[at + 1] = i;
  }
}
