/** Kept weights are the packed ones, to the last bit, or are not used. Nothing is written beside a model. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, beforeEach } from "node:test";
import { fileURLToPath } from "node:url";
import { draw } from "../test/conformance/random.ts";
import { openModelPath } from "./checkpoint/node/index.ts";
import { type CheckedModel, checkModel } from "./check-model.ts";
import { readArrays } from "./checkpoint/node/kept-arrays-file.ts";
import { keptArrays, type KeptArraysOptions } from "./checkpoint/node/kept-arrays.ts";
import type { KeepArrays } from "./checkpoint/index.ts";
import { memoryPlace } from "./facts/node/index.ts";
import { PACKED_FORMAT } from "./kept-weights.ts";
import { openFilesAt } from "./load-model.ts";
import { readWeights } from "./model-weights.ts";
import type { ModelWeights } from "./packed-weights.ts";
import { openModel } from "./open-model.ts";
import { packGgmlBlocks, quantizeBlocks } from "./numerics/index.ts";
import { mapFile, ortBackend } from "./tensor/backends/onnx/node/index.ts";
import type { Backend } from "./tensor/index.ts";

const shipped = fileURLToPath(new URL("../assets/shakespeare", import.meta.url));
const root = mkdtempSync(join(tmpdir(), "engram-kept-"));
after(() => rmSync(root, { recursive: true }));
const model = join(root, "model");
const cache = join(root, "cache");
const directory = join(cache, "engram", "packed");
cpSync(shipped, model, { recursive: true });

beforeEach(() => rmSync(cache, { recursive: true, force: true }));

const entries = (): string[] => readdirSync(directory).map((name) => join(directory, name));

const files = await openFilesAt(model);
const checked = await checkModel(files, { memory: false });
const { config } = checked;
const packedAs = { q8: await packed("q8"), q4: await packed("q4") };
after(() => files.close());

function packed(dtype: "q8" | "q4"): Promise<ModelWeights> {
  return readWeights(files, checked, { dtype });
}

const keepIn = (options: Partial<KeptArraysOptions> = {}): KeepArrays => {
  const env = { XDG_CACHE_HOME: cache };
  return keptArrays({ version: "1", env, leastBytes: 0, settledMs: 0, ...options });
};

/** Whether the weights had to be packed. However they came, they are right. */
async function isPacked(
  options: Partial<KeptArraysOptions> & {
    dtype?: "q8" | "q4";
    tensors?: CheckedModel["tensors"];
  } = {},
): Promise<boolean> {
  const { dtype = "q8", tensors = checked.tensors, ...others } = options;
  let isCalled = false;
  const keep = keepIn(others);
  const keepPacked: KeepArrays = (of, make) =>
    keep(of, () => {
      isCalled = true;
      return make();
    });
  const found = await readWeights(files, { config, tensors }, { dtype, keepPacked });
  assert.deepEqual(found, packedAs[dtype]);
  return isCalled;
}

/** What the model says, opened as it is in a program. */
async function logits(keepPacked: KeepArrays, backend: () => Backend): Promise<Float32Array> {
  const source = await openModelPath(model);
  await using found = await openModel(source, { backend, keepPacked }, { dtype: "q8" });
  await using session = found.createSession();
  return (await session.append([33, 5, 7, 700])).logits;
}

test("a second start packs nothing, and says the same to the last bit", async () => {
  const before = readdirSync(model);
  const backend = (): Backend => ortBackend();
  const never = async (): Promise<never> => assert.fail("packed again");
  const alone = await logits((_, pack) => pack(), backend);
  for (const map of [undefined, mapFile]) {
    const keep = keepIn(map && { map });
    assert.deepEqual(await logits(keep, backend), alone);
    assert.deepEqual(await logits((of) => keep(of, never), backend), alone);
    rmSync(cache, { recursive: true });
  }
  // Where nothing can be kept, weights are packed at every start.
  writeFileSync(cache, "in the way");
  assert.deepEqual([await isPacked(), await isPacked()], [true, true]);
  assert.deepEqual(readdirSync(model), before);
});

test("other weights, another form and another version are packed for themselves", async () => {
  await isPacked();
  assert.equal(await isPacked({ dtype: "q4" }), true);
  assert.equal(await isPacked({ version: "2" }), true);
  assert.equal(await isPacked(), false);
  // Saved anew, with the bytes it had.
  cpSync(join(shipped, "model.safetensors"), join(model, "model.safetensors"));
  assert.equal(await isPacked(), true);
  assert.equal(await isPacked(), false);
  assert.equal(await isPacked({ settledMs: 3_600_000 }), true, "it may yet be changed");
  assert.equal(await isPacked({ tensors: (await checkModel(files)).tensors }), false, "its tables");
});

test("what was packed is not read into memory beside itself", async () => {
  const made = new Map([["a", new Uint8Array(8)]]);
  const of = { files: [], said: "b" };
  assert.equal(await keepIn()(of, async () => made), made);
  assert.equal(
    await keepIn({ map: () => undefined })({ ...of, said: "c" }, async () => made),
    made,
  );
  const again = await keepIn()(of, async () => assert.fail("made again"));
  assert.deepEqual(again, made);
  assert.notEqual(again, made);
});

test("the user's cache is a place of its own, or there is none", async () => {
  const env = { XDG_CACHE_HOME: "relative", HOME: root };
  assert.deepEqual([await isPacked({ env }), await isPacked({ env })], [true, false]);
  assert.equal(readdirSync(join(root, ".cache", "engram", "packed")).length, 1);
  const none = { HOME: "" };
  assert.deepEqual([await isPacked({ env: none }), await isPacked({ env: none })], [true, true]);
  await assert.rejects(memoryPlace(join(model, "config.json"), { env: none }), /set HOME/);
});

const isRoot = process.getuid?.() === 0;
test(
  "nothing is written or removed in a folder, or behind a link, that another user has made",
  {
    skip: !isRoot && "giving a file to another user takes root",
  },
  async () => {
    const elsewhere = join(root, "elsewhere");
    const old = join(elsewhere, "packed", "old.safetensors");
    mkdirSync(join(elsewhere, "packed"), { recursive: true });
    writeFileSync(old, "somebody's");
    utimesSync(old, 0, 0);
    for (const place of [join(cache, "engram"), directory])
      for (const what of ["a link", "a folder"]) {
        rmSync(cache, { recursive: true, force: true });
        mkdirSync(join(place, ".."), { recursive: true });
        if (what === "a folder") mkdirSync(place);
        else symlinkSync(place === directory ? join(elsewhere, "packed") : elsewhere, place);
        lchownSync(place, 12_345, 12_345);
        assert.deepEqual([await isPacked(), await isPacked()], [true, true]);
        assert.deepEqual(readdirSync(join(elsewhere, "packed")), ["old.safetensors"]);
      }
    // One's own link is one's own business.
    rmSync(directory, { recursive: true });
    rmSync(old);
    symlinkSync(join(elsewhere, "packed"), directory);
    assert.deepEqual([await isPacked(), await isPacked()], [true, false]);
    assert.equal(readdirSync(join(elsewhere, "packed")).length, 1);
  },
);

test("what is damaged, or may be another's, is not used but written anew", async () => {
  await isPacked();
  const [path] = entries() as [string];
  const whole = readFileSync(path);
  const flipped = (at: number): void => {
    const bytes = Buffer.from(whole);
    bytes[at]! ^= 1;
    writeFileSync(path, bytes);
  };
  const aside = join(root, "aside.safetensors");
  const damages: Record<string, () => void> = {
    "the first byte": () => flipped(0),
    "the header's length": () => flipped(6),
    "a byte of the header": () => flipped(40),
    "the first byte of the weights": () => flipped(whole.indexOf("}  ") + 16),
    "the last byte": () => flipped(whole.length - 1),
    "cut short": () => truncateSync(path, whole.length - 1),
    empty: () => truncateSync(path, 0),
    longer: () => writeFileSync(path, Buffer.concat([whole, Buffer.alloc(8)])),
    "the weights of another place": () => {
      const text = whole.toString("latin1").replace(/(q8\\":\[\d+,)(\d)/, "$19$2");
      writeFileSync(path, text.slice(0, whole.length), "latin1");
    },
    "writable for others": () => chmodSync(path, 0o622),
    "a link": () => {
      renameSync(path, aside);
      symlinkSync(aside, path);
    },
  };
  for (const [name, damage] of Object.entries(damages)) {
    damage();
    assert.equal(await isPacked({ map: mapFile }), true, name);
    assert.equal(await isPacked({ map: mapFile }), false, name);
    assert.deepEqual(readFileSync(path), whole, name);
  }
});

test("no byte of a header can be another", async () => {
  await isPacked();
  const [path] = entries() as [string];
  const whole = readFileSync(path);
  const aside = join(root, "whole.safetensors");
  writeFileSync(aside, whole, { mode: 0o600 });
  for (let at = 0; at < 8 + whole.readUInt32LE(0); at += 53) {
    const bytes = Buffer.from(whole);
    bytes[at]! ^= 1 << (at % 7);
    writeFileSync(path, bytes);
    const found = await readArrays(path);
    if (found !== undefined) assert.deepEqual(found, await readArrays(aside));
  }
});

test("what was not used for longest goes first, and what killed writers left goes, too", async () => {
  mkdirSync(directory, { recursive: true });
  const left = ["partial-999999999-0a1b2c3d", "partial-999999999-0a1b2c3d.tmp"];
  for (const name of [...left, "older.safetensors", "old.safetensors", "not ours"])
    writeFileSync(join(directory, name), Buffer.alloc(1000));
  utimesSync(join(directory, "older.safetensors"), 0, Date.now() / 1000 - 90 * 86_400);
  utimesSync(join(directory, "old.safetensors"), 0, Date.now() / 1000 - 1000);
  await isPacked();
  const kept = entries().find((path) => !/old|not/.test(path))!;
  assert.deepEqual(
    entries().toSorted(),
    [kept, join(directory, "not ours"), join(directory, "old.safetensors")].toSorted(),
  );
  await isPacked({ version: "2", mostBytes: 1.5 * readFileSync(kept).length });
  assert.equal(entries().length, 2);
  assert.ok(!entries().includes(kept));
  assert.equal(await isPacked({ version: "3", mostBytes: 1000 }), true);
  assert.equal(entries().length, 2);
});

test("a change of what packing makes has a new number", async () => {
  const numbers = draw(7).normal([4096]).data as Float32Array;
  const bytes = Uint8Array.from(draw(8).ints([4096], 256).data);
  const hash = createHash("sha256").update(`${PACKED_FORMAT}`);
  for (const blocks of [
    ...([4, 8] as const).map((bits) => quantizeBlocks(numbers, bits)),
    await packGgmlBlocks("Q4_1", bytes, 32 * 64),
    await packGgmlBlocks("Q8_0", bytes, 32 * 64),
    await packGgmlBlocks("Q4_K", bytes, 256 * 16),
  ])
    for (const { buffer } of [blocks.codes, blocks.scales, blocks.offsets ?? new Uint8Array(0)])
      hash.update(new Uint8Array(buffer));
  // Other bytes? Then raise PACKED_FORMAT, or starts with kept weights and without them differ.
  assert.equal(hash.digest("hex").slice(0, 16), "f0f7e6561968a929");
});
