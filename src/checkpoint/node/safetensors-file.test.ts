/**
 * Files on a real disk: bits survive, reading is lazy, a failed write leaves the old file. Full disks
 * are real ones (/dev/full, and a file size limit on a child process).
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import * as fc from "fast-check";
import { FormatError, StoreError } from "../../errors.ts";
import { elementBytes, type FileDType } from "../safetensors.ts";
import { SafetensorsFile, tensorSource } from "../safetensors-file.ts";
import { openPath } from "./open-path.ts";
import { openSafetensors, writeSafetensors } from "./safetensors-file.ts";

const scratch = mkdtempSync(join(tmpdir(), "engram-safetensors-"));
after(() => rmSync(scratch, { recursive: true }));
let count = 0;
const freshPath = (): string => join(scratch, `${count++}.safetensors`);

const spec = (name: string, dtype: FileDType, shape: number[]) => ({ name, dtype, shape });

test("a written file is, byte for byte, what the format says", async () => {
  const path = freshPath();
  await writeSafetensors(
    path,
    [
      tensorSource(spec("ids", "U8", [3]), Uint8Array.of(1, 2, 3)),
      tensorSource(spec("w", "F32", [1]), Float32Array.of(1)),
    ],
    { format: "pt" },
  );
  const json =
    '{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},' +
    '"ids":{"dtype":"U8","shape":[3],"data_offsets":[4,7]}}';
  const padded = json.padEnd(Math.ceil(json.length / 8) * 8, " ");
  const want = Buffer.concat([
    Buffer.from([padded.length, 0, 0, 0, 0, 0, 0, 0]),
    Buffer.from(padded),
    Buffer.from([0, 0, 0x80, 0x3f, 1, 2, 3]),
  ]);
  assert.deepEqual(readFileSync(path), want);
});

test("any bits of any type come back, NaNs and negative zeros included", async () => {
  const tensors = fc.uniqueArray(
    fc.record({
      name: fc.string({ unit: "grapheme" }).filter((s) => s !== "__metadata__"),
      dtype: fc.constantFrom(...(Object.keys(elementBytes) as FileDType[])),
      data: fc.uint8Array({ maxLength: 64 }),
    }),
    { selector: (t) => t.name, maxLength: 6 },
  );
  await fc.assert(
    fc.asyncProperty(tensors, async (given) => {
      const path = freshPath();
      const sources = given.map(({ name, dtype, data }) => {
        const length = Math.floor(data.length / elementBytes[dtype]);
        const bytes = data.subarray(0, length * elementBytes[dtype]);
        return tensorSource(spec(name, dtype, [length]), bytes);
      });
      await writeSafetensors(path, sources);
      await using file = await openSafetensors(path);
      for (const source of sources) {
        const [want] = source.chunks() as [Uint8Array];
        assert.deepEqual(Buffer.from(await file.read(source.name)), Buffer.from(want));
      }
    }),
    { numRuns: 30 },
  );
});

test("a tensor streamed in pieces of any size is one tensor", async () => {
  const data = new Uint8Array(300_000).map((_, i) => (i * 7) & 255);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 100_000 })), async (sizes) => {
      const path = freshPath();
      async function* chunks(): AsyncGenerator<Uint8Array> {
        let at = 0;
        for (const size of [...sizes, data.length]) {
          yield data.subarray(at, at + size);
          at = Math.min(at + size, data.length);
        }
      }
      await writeSafetensors(path, [{ ...spec("t", "U8", [data.length]), chunks }]);
      await using file = await openSafetensors(path);
      assert.ok(Buffer.from(data).equals(await file.read("t")));
    }),
    { numRuns: 20 },
  );
});

test("a range is read into shared memory without the rest", async () => {
  const path = freshPath();
  const data = Float32Array.from({ length: 1000 }, (_, i) => i);
  await writeSafetensors(path, [tensorSource(spec("table", "F32", [100, 10]), data)]);
  await using file = await openSafetensors(path);
  const into = new Uint8Array(new SharedArrayBuffer(80));
  await file.readRange("table", { begin: 40 * 10, end: 40 * 12, into });
  assert.deepEqual([...new Float32Array(into.buffer)], [...data.subarray(100, 120)]);
});

test("reading into zeroed memory gives the same bytes, whatever is zero", async () => {
  const path = freshPath();
  const block = 1 << 16;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat({ max: 70 * block }), { maxLength: 8 }),
      fc.nat({ max: 2 * block }),
      fc.nat({ max: 2 * block }),
      async (places, begin, cut) => {
        const data = new Uint8Array(70 * block + 5);
        for (const at of places) data[at] = 1 + (at % 255);
        await writeSafetensors(path, [tensorSource(spec("t", "U8", [data.length]), data)]);
        await using file = await openSafetensors(path);
        const end = data.length - cut;
        const into = new Uint8Array(end - begin);
        await file.readRange("t", { begin, end, into, isZeroed: true });
        assert.ok(Buffer.from(data.subarray(begin, end)).equals(into));
      },
    ),
    { numRuns: 15 },
  );
});

test("a file cut short is noticed when reading into zeroed memory, too", async () => {
  const path = freshPath();
  await writeSafetensors(path, [tensorSource(spec("a", "U8", [100]), new Uint8Array(100).fill(1))]);
  await using file = await openSafetensors(path);
  truncateSync(path, file.header.dataBegin + 10);
  const into = new Uint8Array(100);
  await assert.rejects(
    file.readRange("a", { begin: 0, end: 100, into, isZeroed: true }),
    /ends after 10 of 100 bytes/,
  );
});

test("ranges outside the tensor and names that are not there are refused", async () => {
  const path = freshPath();
  await writeSafetensors(path, [tensorSource(spec("a", "U8", [4]), new Uint8Array(4))]);
  await using file = await openSafetensors(path);
  const into = new Uint8Array(8);
  await assert.rejects(file.readRange("a", { begin: 0, end: 5, into }), /"a": it has 4/);
  await assert.rejects(file.readRange("a", { begin: -1, end: 2, into }), /"a": it has 4/);
  await assert.rejects(file.readRange("a", { begin: 3, end: 2, into }), /"a": it has 4/);
  await assert.rejects(file.readRange("a", { begin: 0, end: 4, into: into.subarray(5) }), /into 3/);
  await assert.rejects(file.read("b"), /no tensor "b"/);
});

test("opening a table reads its header, not its rows", async () => {
  const path = freshPath();
  const rows = 2 ** 31;
  // Eight GiB of zeros are a hole: the file costs no disk, and reading it whole would show.
  const zeros = new Uint8Array(1 << 28);
  function* chunks(): Generator<Uint8Array> {
    for (let i = 0; i < 32; i++) yield zeros;
  }
  await writeSafetensors(path, [{ ...spec("table", "F32", [rows]), chunks }]);
  const before = process.memoryUsage().rss;
  await using file = await openSafetensors(path);
  const into = new Uint8Array(64).fill(1);
  await file.readRange("table", { begin: rows * 4 - 64, end: rows * 4, into });
  assert.ok(into.every((b) => b === 0));
  assert.equal(statSync(path).size, file.header.fileBytes);
  assert.ok(process.memoryUsage().rss - before < 2 ** 28);
});

test("blocks of zeros between others cost no disk and read back as zeros", async (t) => {
  const path = freshPath();
  const data = new Uint8Array(4 << 20);
  data[0] = 1;
  data[(1 << 20) + 3] = 2;
  data[data.length - 1] = 3;
  await writeSafetensors(path, [tensorSource(spec("t", "U8", [data.length]), data)]);
  await using file = await openSafetensors(path);
  assert.ok(Buffer.from(data).equals(await file.read("t")));
  const hole = join(scratch, "hole");
  writeFileSync(hole, "");
  truncateSync(hole, 1 << 20);
  if (statSync(hole).blocks > 0) t.diagnostic("this file system has no holes; size not compared");
  else assert.ok(statSync(path).blocks * 512 < 1 << 20);
});

test("a file cut after it was opened is an error, not short data", async () => {
  const path = freshPath();
  await writeSafetensors(path, [tensorSource(spec("a", "U8", [100]), new Uint8Array(100).fill(1))]);
  await using file = await openSafetensors(path);
  truncateSync(path, file.header.dataBegin + 10);
  await assert.rejects(file.read("a"), /"a" \(U8 \[100\]\) ends after 10 of 100 bytes/);
});

test("opening something else names the file and what is wrong with it", async () => {
  const path = freshPath();
  writeFileSync(path, "To be, or not to be, that is the question");
  await assert.rejects(
    openSafetensors(path),
    (error) =>
      error instanceof FormatError && error.message.startsWith(`${path}: not a safetensors`),
  );
  writeFileSync(path, "");
  await assert.rejects(openSafetensors(path), /at least 8 bytes, got 0/);
});

test("a source that gives too few or too many bytes leaves the old file", async () => {
  const path = freshPath();
  await writeSafetensors(path, [tensorSource(spec("a", "U8", [1]), Uint8Array.of(7))]);
  for (const given of [3, 5]) {
    const wrong = tensorSource(spec("a", "U8", [4]), new Uint8Array(given));
    await assert.rejects(writeSafetensors(path, [wrong]), /"a" \(U8 \[4\]\) needs 4 bytes/);
  }
  await using file = await openSafetensors(path);
  assert.deepEqual([...(await file.read("a"))], [7]);
});

test("a full disk is a store error, and the old file is as it was", async (t) => {
  if (process.platform !== "linux") return t.skip("needs /dev/full, which only Linux has");
  const path = freshPath();
  await writeSafetensors(path, [tensorSource(spec("a", "U8", [1]), Uint8Array.of(7))]);
  const full = {
    ...spec("a", "U8", [10]),
    *chunks() {
      yield new Uint8Array(5);
      // The kernel's own ENOSPC, from where a real one would come: in the middle of a write.
      writeFileSync("/dev/full", "x");
    },
  };
  await assert.rejects(
    writeSafetensors(path, [full]),
    (error) => error instanceof StoreError && /the disk is full/.test(error.message),
  );
  await using file = await openSafetensors(path);
  assert.deepEqual([...(await file.read("a"))], [7]);
});

test("a link that lies where the partial file goes is not followed", async () => {
  const path = freshPath();
  const victim = freshPath();
  writeFileSync(victim, "mine");
  symlinkSync(victim, `${path}.tmp`);
  await writeSafetensors(path, [tensorSource(spec("a", "U8", [1]), Uint8Array.of(7))]);
  assert.equal(readFileSync(victim, "utf8"), "mine");
  await using file = await openSafetensors(path);
  assert.deepEqual([...(await file.read("a"))], [7]);
});

test("a file size limit in mid-tensor is a store error, and nothing partial stays", (t) => {
  if (process.platform === "win32") return t.skip("needs ulimit");
  const path = freshPath();
  const module = new URL("safetensors-file.ts", import.meta.url).href;
  const program = `
    import { tensorSource } from ${JSON.stringify(new URL("../safetensors-file.ts", import.meta.url).href)};
    import { writeSafetensors } from ${JSON.stringify(module)};
    const spec = { name: "a", dtype: "U8", shape: [1 << 20] };
    await writeSafetensors(${JSON.stringify(path)}, [tensorSource(spec, new Uint8Array(1 << 20).fill(1))])
      .catch((error) => console.log(error.code, error.message));`;
  const child = spawnSync(
    "sh",
    ["-c", 'ulimit -f 100; exec "$0" --input-type=module -e "$1"', process.execPath, program],
    { encoding: "utf8" },
  );
  assert.match(child.stdout, /^store_failed .*larger than this system allows/);
  assert.equal(statSync(path, { throwIfNoEntry: false }), undefined);
  assert.equal(statSync(`${path}.tmp`, { throwIfNoEntry: false }), undefined);
});

test("a header is read at once, and a long one at twice", async () => {
  for (const [numTensors, calls] of [
    [1, 1],
    [2000, 2],
  ] as const) {
    const path = freshPath();
    const names = Array.from({ length: numTensors }, (_, i) => `tensor.${i}`);
    await writeSafetensors(
      path,
      names.map((name) => tensorSource(spec(name, "U8", [1]), Uint8Array.of(7))),
    );
    const ranges = await openPath(path);
    let reads = 0;
    const read = (begin: number, into: Uint8Array): Promise<void> => {
      reads++;
      return ranges.read(begin, into);
    };
    await using file = await SafetensorsFile.open({ ...ranges, read });
    assert.equal(file.tensors.size, numTensors);
    assert.equal(reads, calls);
  }
});
