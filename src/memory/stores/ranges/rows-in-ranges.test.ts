import assert from "node:assert/strict";
import { mkdtemp, open, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  rowPattern,
  storeConformance,
  type StoreFixture,
} from "../../../../test/conformance/store.ts";
import { StoreError } from "../../../errors.ts";
import { openFileRanges } from "../../../bytes/node/index.ts";
import type { RowStore } from "../../store.ts";
import { rowsInRanges } from "./rows-in-ranges.ts";

/** A flat file of rows: row r at `offset + r * rowBytes`. */
async function openRows(
  path: string,
  { offset = 0, ...size }: { numRows: number; rowBytes: number; offset?: number },
): Promise<RowStore> {
  return rowsInRanges(await openFileRanges(path), { ...size, offset });
}

async function inFolder<T>(body: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "engram-file-store-"));
  try {
    return await body(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Sparse: rows that are not given are holes. */
async function writeRows(
  path: string,
  { numRows, rowBytes, rows, offset = 0 }: StoreFixture & { readonly offset?: number },
): Promise<void> {
  const file = await open(path, "wx");
  await file.truncate(offset + numRows * rowBytes);
  for (const [row, bytes] of rows) await file.write(bytes, 0, rowBytes, offset + row * rowBytes);
  await file.close();
}

for (const offset of [0, 37])
  storeConformance(offset === 0 ? "file" : "file with a header", {
    makeStore: async ({ numRows, rowBytes, rows }) => {
      const folder = await mkdtemp(join(tmpdir(), "engram-file-store-"));
      const path = join(folder, "table.bin");
      await writeRows(path, { numRows, rowBytes, rows, offset });
      const store = await openRows(path, { rowBytes, numRows, offset });
      return { store, dispose: () => rm(folder, { recursive: true, force: true }) };
    },
  });

test("rows lie in the file at row times row size, after the header", () =>
  inFolder(async (folder) => {
    const path = join(folder, "t");
    const bytes = [0, 0, 0, 0, 0, 7, 8, 9, 0, 0, 0, 0, 0, 0, 1, 2, 3];
    await writeFile(path, Uint8Array.from(bytes));
    const store = await openRows(path, { numRows: 5, rowBytes: 3, offset: 2 });
    const into = new Uint8Array(6);
    await store.read(Uint32Array.of(4, 1), into);
    assert.deepEqual([...into], [1, 2, 3, 7, 8, 9]);
    await store.close();
  }));

test("a file that shrinks after it was opened is named and answers no wrong row", () =>
  inFolder(async (folder) => {
    const path = join(folder, "shrinks.bin");
    await writeFile(path, new Uint8Array(1000).fill(1));
    const store = await openRows(path, { numRows: 100, rowBytes: 10 });
    await truncate(path, 505);
    const into = new Uint8Array(10);
    await assert.rejects(
      store.read(Uint32Array.of(50), into),
      (error) =>
        error instanceof StoreError && /rows 50\.\.50.*shrinks\.bin.*505/.test(error.message),
    );
    await store.read(Uint32Array.of(49), into);
    assert.ok(into.every((byte) => byte === 1));
    await store.close();
  }));

test("what the file no longer has is never at hand, and what it has is right", () =>
  inFolder(async (folder) => {
    const path = join(folder, "t");
    const bytes = Uint8Array.from({ length: 80 }, (_, i) => i + 1);
    await writeFile(path, bytes);
    const store = await openRows(path, { numRows: 10, rowBytes: 8 });
    await truncate(path, 44);
    const into = new Uint8Array(16);
    if (store.readNow!(Uint32Array.of(4, 1), into))
      assert.deepEqual([...into], [...bytes.subarray(32, 40), ...bytes.subarray(8, 16)]);
    else assert.notEqual(process.platform, "linux", "just written, so in the page cache");
    for (const row of [5, 6, 9]) assert.equal(store.readNow!(Uint32Array.of(1, row), into), false);
    await store.close();
  }));

test("a missing file is refused by name", () =>
  inFolder(async (folder) => {
    const path = join(folder, "none.bin");
    await assert.rejects(
      openRows(path, { numRows: 1, rowBytes: 4 }),
      (error) =>
        error instanceof StoreError && /none\.bin: there is no such file/.test(error.message),
    );
  }));

test("a row beyond 100 GB is found where it lies", () =>
  inFolder(async (folder) => {
    const path = join(folder, "sparse.bin");
    const row = 384_006_167;
    const size = { numRows: 384_006_168, rowBytes: 264 };
    await writeRows(path, { ...size, rows: new Map([[row, rowPattern(row, 264)]]) });
    const store = await openRows(path, size);
    const into = new Uint8Array(264);
    await store.read(Uint32Array.of(row), into);
    assert.deepEqual(into, rowPattern(row, 264));
    await store.close();
  }));
