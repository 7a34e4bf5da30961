/**
 * The conformance suite's tables as table files: for stores that read these from anywhere. Row formats have sizes of
 * their own, so the suite's sizes are matched, and rows of one byte stand at the front of rows of three.
 */
import { type RowFormatName, rowFormat, type RowStore } from "../../src/memory/index.ts";
import { type RowChunk, writeTableFile } from "../../src/memory/stores/ranges/node/index.ts";
import type { StoreFixture } from "./store.ts";

/** A format whose rows have this many bytes. */
export function formatOf(rowBytes: number): { format: RowFormatName; headDim: number } {
  for (const format of ["f32", "int8", "fp8"] as const)
    for (let headDim = 1; headDim <= rowBytes; headDim++)
      if (rowFormat(format, headDim).rowBytes === rowBytes) return { format, headDim };
  throw new Error(`no row format has ${rowBytes} bytes`);
}

export function* chunksOf(
  rows: ReadonlyMap<number, Uint8Array>,
  numRows: number,
): Generator<RowChunk> {
  let next = 0;
  for (const row of [...rows.keys()].toSorted((a, b) => a - b)) {
    if (row > next) yield { zeroRows: row - next };
    yield rows.get(row)!;
    next = row + 1;
  }
  yield { zeroRows: numRows - next };
}

/** The fixture in a size that tables come in, and what makes a store of that table one of the fixture's. */
export function asTable(fixture: StoreFixture): {
  readonly table: StoreFixture;
  readonly fit: (store: RowStore) => RowStore;
} {
  if (fixture.rowBytes > 1) return { table: fixture, fit: (store) => store };
  const wide = new Map([...fixture.rows].map(([row, [byte]]) => [row, Uint8Array.of(byte!, 0, 0)]));
  return { table: { ...fixture, rowBytes: 3, rows: wide }, fit: firstBytes };
}

/** Writes the fixture's table file; a store that reads it becomes the fixture's by what is returned. */
export async function writeFixture(
  path: string,
  fixture: StoreFixture,
): Promise<(store: RowStore) => RowStore> {
  const { table, fit } = asTable(fixture);
  const { numRows, rowBytes, rows } = table;
  await writeTableFile(path, { ...formatOf(rowBytes), numRows, rows: chunksOf(rows, numRows) });
  return fit;
}

function firstBytes(inner: RowStore): RowStore {
  return {
    numRows: inner.numRows,
    rowBytes: 1,
    async read(asked, into): Promise<void> {
      const bytes = new Uint8Array(3 * asked.length);
      await inner.read(asked, bytes);
      for (let i = 0; i < asked.length; i++) into[i] = bytes[3 * i]!;
    },
    close: () => inner.close(),
  };
}
