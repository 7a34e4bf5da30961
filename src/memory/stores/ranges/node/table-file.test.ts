import assert from "node:assert/strict";
import {
  copyFile,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import * as fc from "fast-check";
import { rowPattern, storeConformance } from "../../../../../test/conformance/store.ts";
import { chunksOf, writeFixture } from "../../../../../test/conformance/table-fixture.ts";
import { EngramError, FormatError, InvalidConfigError, StoreError } from "../../../../errors.ts";
import { crc32c, Random } from "../../../../numerics/index.ts";
import { convertedRows, RamStore, ROW_FORMAT_NAMES, rowFormat } from "../../../index.ts";
import { openTableFile, type RowChunk, writeTableFile } from "./index.ts";

const folder = await mkdtemp(join(tmpdir(), "engram-table-file-"));
after(() => rm(folder, { recursive: true }));
let numFiles = 0;
const newPath = (): string => join(folder, `t${numFiles++}.tbl`);

storeConformance("table file", {
  makeStore: async (fixture) => {
    const path = newPath();
    const fit = await writeFixture(path, fixture);
    return { store: fit(await openTableFile(path)), dispose: () => rm(path) };
  },
});

const headDim = 30;
const rowBytes = 32;
const numRows = 100;
const digest = Uint8Array.from({ length: 32 }, (_, i) => i + 1);
const allRows = Uint32Array.from({ length: numRows }, (_, row) => row);
const content = new Uint8Array(numRows * rowBytes);
for (const row of allRows) content.set(rowPattern(row, rowBytes), row * rowBytes);
const spec = {
  format: "int8",
  headDim,
  numRows,
  layerId: 3,
  digest,
  rowsPerBlock: 7,
  hot: { rows: Uint32Array.of(5, 9, 2), counts: Uint32Array.of(10, 30, 20) },
} as const;

async function writeSmall(path: string, rows: Iterable<RowChunk> = [content]): Promise<void> {
  await writeTableFile(path, { ...spec, rows });
}

test("the file is the one that the format's description gives, byte by byte", async () => {
  const path = newPath();
  await writeSmall(path);
  const bytes = await readFile(path);
  const word = (at: number): number => bytes.readUInt32LE(at);
  assert.deepEqual([...bytes.subarray(0, 8)], [0x89, 0x45, 0x4e, 0x47, 0x54, 0x42, 0x4c, 0x0a]);
  assert.deepEqual([word(8), word(12)], [1, 1]);
  assert.equal(bytes.toString("latin1", 16, 24), "int8\0\0\0\0");
  assert.deepEqual([24, 28, 32, 36, 40, 44].map(word), [headDim, rowBytes, numRows, 3, 7, 3]);
  assert.deepEqual(new Uint8Array(bytes.subarray(48, 80)), digest);
  // 100 rows in blocks of 7 are 15 blocks; sums end at 4,156, hot rows at 4,180, rows begin at 8,192.
  assert.deepEqual(
    [80, 88, 96, 104].map((at) => Number(bytes.readBigUInt64LE(at))),
    [4096, 4156, 8192, 8192 + 3200],
  );
  assert.deepEqual([4156, 4160, 4164, 4168, 4172, 4176].map(word), [9, 30, 2, 20, 5, 10]);
  assert.deepEqual(new Uint8Array(bytes.subarray(8192)), content);
  // Bit by bit, with the polynomial as in the standard: remainder of block 14 (rows 98 and 99).
  let sum = 0;
  for (const byte of content.subarray(98 * rowBytes)) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0x82f63b78 : 0);
  }
  assert.equal(word(4096 + 4 * 14), sum >>> 0);
});

test("rows given in chunks of any size make the same file", async () => {
  const path = newPath();
  await writeSmall(path);
  const expected = await readFile(path);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(400), { maxLength: 12 }), async (sizes) => {
      const chunks: Uint8Array[] = [];
      let at = 0;
      for (const size of [...sizes, Infinity]) {
        chunks.push(content.subarray(at, Math.min(content.length, at + size)));
        at += size;
        if (at >= content.length) break;
      }
      await writeSmall(path, chunks);
      assert.deepEqual(await readFile(path), expected);
    }),
    { numRuns: 20 },
  );
});

test("hot rows come back most used first", async () => {
  const path = newPath();
  await writeSmall(path);
  await using store = disposable(await openTableFile(path));
  const { rows, counts } = await store.hotRows();
  assert.deepEqual(
    [[...rows], [...counts]],
    [
      [9, 2, 5],
      [30, 20, 10],
    ],
  );
});

function disposable<T extends { close(): Promise<void> }>(store: T): T & AsyncDisposable {
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
}

/** Opens a file and reads all of it, row by row in a given order; the bytes, or what was refused. */
async function readAll(path: string): Promise<Uint8Array> {
  const store = await openTableFile(path);
  try {
    const into = new Uint8Array(content.length);
    // Two reads, so that one finds blocks that the other has checked.
    await store.read(allRows.subarray(0, 33), into);
    await store.read(allRows, into);
    await store.verify();
    return into;
  } finally {
    await store.close();
  }
}

test("whatever bits are flipped, the rows are right or the damage is named", async () => {
  const path = newPath();
  await writeSmall(path);
  const whole = new Uint8Array(await readFile(path));
  const rowsAt = 8192;
  let numRefused = 0;
  // Half of the flips among header fields, sums, hot rows and rows; the rest is mostly filling.
  const place = fc.oneof(
    fc.nat(whole.length - 1),
    fc.nat(119),
    fc.integer({ min: 4092, max: 4180 }),
    fc.integer({ min: rowsAt, max: whole.length - 1 }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ place, bit: fc.nat(7) }), { minLength: 1, maxLength: 3 }),
      async (flips) => {
        const bytes = whole.slice();
        for (const { place: at, bit } of flips) bytes[at]! ^= 1 << bit;
        await writeFile(path, bytes);
        try {
          assert.deepEqual(await readAll(path), content);
          const isFilling = (at: number): boolean => at >= 4180 && at < rowsAt;
          const unchanged = bytes.every((byte, i) => byte === whole[i] || isFilling(i));
          assert.ok(unchanged, "a change outside the filling was not noticed");
        } catch (error) {
          assert.ok(error instanceof EngramError && error.message.includes(path), String(error));
          numRefused++;
        }
      },
    ),
    { numRuns: 400 },
  );
  assert.ok(numRefused > 100);
});

test("a damaged block is named with its rows and bytes, and other blocks stay readable", async () => {
  const path = newPath();
  await writeSmall(path);
  const file = await open(path, "r+");
  await file.write(Uint8Array.of(content[50 * rowBytes]! ^ 4), 0, 1, 8192 + 50 * rowBytes);
  await file.close();
  await using store = disposable(await openTableFile(path));
  await assert.rejects(
    store.read(Uint32Array.of(3, 55), new Uint8Array(64)),
    (error) =>
      error instanceof StoreError &&
      error.message.includes(path) &&
      /block 7 \(rows 49\.\.55, bytes 9760\.\.9983\)/.test(error.message),
  );
  const into = new Uint8Array(64);
  await store.read(Uint32Array.of(48, 56), into);
  assert.deepEqual(into.subarray(0, 32), rowPattern(48, 32));
  assert.deepEqual(into.subarray(32), rowPattern(56, 32));
});

test("a truncated file is refused, wherever it was cut", async () => {
  const path = newPath();
  await writeSmall(path);
  const { size } = await stat(path);
  for (const length of [size - 1, size - 32, 8192, 5000, 4096, 4095, 100, 8, 7, 0]) {
    await truncate(path, Math.min(length, (await stat(path)).size));
    await assert.rejects(
      openTableFile(path),
      (error) =>
        error instanceof FormatError &&
        error.message.includes(path) &&
        (length < 8 ? /not a table file/ : /truncated/).test(error.message),
      `${length}`,
    );
  }
});

test("a file that a dead writer left, under whatever name it was copied, is no table", async () => {
  const path = newPath();
  const copy = newPath();
  const rows = async function* (): AsyncGenerator<RowChunk> {
    yield content.subarray(0, 1600);
    const [partial] = (await readdir(folder)).filter((name) => name.includes(".tmp-"));
    await copyFile(join(folder, partial!), copy);
    await truncate(copy, 8192 + 3200);
    throw new Error("power cut");
  };
  await assert.rejects(writeTableFile(path, { ...spec, rows: rows() }), /power cut/);
  await assert.rejects(
    openTableFile(copy),
    (error) => error instanceof FormatError && /did not finish/.test(error.message),
  );
  const left = (await readdir(folder)).filter((name) => name.includes(".tmp-"));
  assert.deepEqual(left, [], "the writer tidies up after itself where it can");
  await assert.rejects(stat(path), /ENOENT/);
});

test("a table in memory becomes a table file of any format, rounded as that format rounds", async () => {
  const source = {
    layerId: 1,
    store: new RamStore({ numRows: 9000, rowBytes: 160 }),
    format: rowFormat("f32", 40),
  };
  const values = new Float32Array(9000 * 40);
  Random.fromSeed(4).fillNormal(values, 0.1);
  const every = Uint32Array.from({ length: 9000 }, (_, row) => row);
  source.store.writeSync(every, new Uint8Array(values.buffer));
  for (const format of ROW_FORMAT_NAMES) {
    const path = newPath();
    const rows = convertedRows(source, format);
    await writeTableFile(path, { format, headDim: 40, numRows: 9000, rows });
    await using store = disposable(await openTableFile(path));
    const codec = rowFormat(format, 40);
    const expected = new Uint8Array(9000 * codec.rowBytes);
    codec.encode(values, expected);
    const found = new Uint8Array(expected.length);
    await store.read(every, found);
    assert.deepEqual(found, expected, format);
    await rm(path);
  }
});

test("a failed write leaves the table that was there", async () => {
  const path = newPath();
  await writeSmall(path);
  for (const rows of [[content, content], [content.subarray(0, 31)], [{ zeroRows: 101 }]])
    await assert.rejects(
      writeSmall(path, rows),
      (error) => error instanceof InvalidConfigError && /100 rows of 32 bytes/.test(error.message),
    );
  assert.deepEqual(await readAll(path), content);
});

test("a table of another kind than expected is refused with both", async () => {
  const path = newPath();
  await writeSmall(path);
  await (await openTableFile(path, { expected: { format: "int8", layerId: 3, digest } })).close();
  for (const [expected, message] of [
    [{ format: "fp8" }, /expected format fp8, the table has int8/],
    [{ numRows: 99 }, /expected numRows 99, the table has 100/],
    [{ layerId: 1 }, /layerId 1, the table has 3/],
    [{ digest: new Uint8Array(32) }, /other hash constants/],
  ] as const)
    await assert.rejects(
      openTableFile(path, { expected }),
      (error) => error instanceof FormatError && message.test(error.message),
    );
});

test("a table of the released size, mostly zeros, opens without being read and takes no disk", async () => {
  const path = newPath();
  const large = 384_006_168;
  const marked = new Map([0, 123_456_789, large - 1].map((row) => [row, rowPattern(row, 264)]));
  await writeTableFile(path, {
    format: "fp8",
    headDim: 256,
    numRows: large,
    rows: chunksOf(marked, large),
  });
  const { size, blocks } = await stat(path);
  assert.ok(size > large * 264);
  assert.ok(blocks * 512 < 2 ** 20, `${blocks * 512} bytes on disk`);
  await using store = disposable(await openTableFile(path));
  const into = new Uint8Array(4 * 264);
  await store.read(Uint32Array.of(123_456_789, 5, large - 1, 123_456_789), into);
  for (const [i, row] of [123_456_789, 5, large - 1, 123_456_789].entries())
    assert.deepEqual(
      into.subarray(i * 264, (i + 1) * 264),
      marked.get(row) ?? new Uint8Array(264),
      `row ${row}`,
    );
  await rm(path);
});

test("a block that would take more memory than a reader gives it is refused, written or read", async () => {
  const path = newPath();
  const large = { format: "f32", headDim: 1024, numRows: 1024 } as const;
  const rows = [{ zeroRows: 1024 }];
  await assert.rejects(
    writeTableFile(path, { ...large, rows, rowsPerBlock: 257 }),
    (error) => error instanceof InvalidConfigError && /at most 1048576 bytes/.test(error.message),
  );
  await writeTableFile(path, { ...large, rows, rowsPerBlock: 256 });
  const bytes = await readFile(path);
  bytes.writeUInt32LE(1024, 40);
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, 4092)), 4092);
  await writeFile(path, bytes);
  await assert.rejects(
    openTableFile(path),
    (error) =>
      error instanceof FormatError && /makes no sense.*at most 1048576 bytes/.test(error.message),
  );
});
