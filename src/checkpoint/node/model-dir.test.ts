/**
 * Model directories: round trip, lookup over files, refusals, and replacement as one under kill -9.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import test, { after } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { FormatError, StoreError } from "../../errors.ts";
import { type TensorSource, tensorSource } from "../safetensors-file.ts";
import { openModelDirectory } from "./directory-source.ts";
import { type ModelToWrite, writeModelDir } from "./model-dir.ts";

const scratch = mkdtempSync(join(tmpdir(), "engram-model-"));
after(() => rmSync(scratch, { recursive: true }));
let count = 0;
const freshPath = (): string => join(scratch, String(count++));

function f32(name: string, shape: number[], value: number): TensorSource {
  const data = new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value);
  return tensorSource({ name, dtype: "F32", shape }, data);
}

const files: ModelToWrite = {
  config: { model_type: "engram", engram_layer_ids: [1, 2], eps: 1e-20, third: 1 / 3 },
  generationConfig: { temperature: 0.8 },
  tokenizer: '{"version":"1.0"}',
  weights: [f32("embed.weight", [4, 2], 1), f32("norm.weight", [2], 2)],
  tables: [
    [f32("layers.1.engram.embed.weight", [5, 2], 3)],
    [f32("layers.2.engram.embed.weight", [6, 2], 4)],
  ],
};

/** A model without sums, as others write them. */
async function unsealed(): Promise<string> {
  const path = freshPath();
  await writeModelDir(path, files);
  rmSync(join(path, "manifest.json"));
  return path;
}

test("a model comes back as it was written", async () => {
  const path = freshPath();
  await writeModelDir(path, files);
  assert.deepEqual(readdirSync(path).toSorted(), [
    "config.json",
    "generation_config.json",
    "manifest.json",
    "model-engram-00001-of-00002.safetensors",
    "model-engram-00002-of-00002.safetensors",
    "model.safetensors",
    "model.safetensors.index.json",
    "tokenizer.json",
  ]);
  await using model = await openModelDirectory(path);
  assert.deepEqual(model.config, files.config);
  assert.deepEqual(model.generationConfig, files.generationConfig);
  assert.equal(await model.tokenizer(), files.tokenizer);
  const tensors = await model.tensors();
  assert.deepEqual([...tensors.keys()].toSorted(), [
    "embed.weight",
    "layers.1.engram.embed.weight",
    "layers.2.engram.embed.weight",
    "norm.weight",
  ]);
  assert.equal(
    tensors.get("layers.2.engram.embed.weight")?.file,
    "model-engram-00002-of-00002.safetensors",
  );
  const table = await model.read("layers.2.engram.embed.weight");
  assert.deepEqual(
    [...new Float32Array(table.buffer)],
    Array.from({ length: 12 }, () => 4),
  );
});

test("the index names every tensor and the bytes of all", async () => {
  const path = freshPath();
  await writeModelDir(path, files);
  const index = JSON.parse(readFileSync(join(path, "model.safetensors.index.json"), "utf8"));
  assert.equal(index.metadata.total_size, 4 * (8 + 2 + 10 + 12));
  assert.equal(Object.keys(index.weight_map).length, 4);
});

test("a model without tables is one file without an index", async () => {
  const path = freshPath();
  await writeModelDir(path, { config: {}, weights: [f32("w", [1], 1)] });
  assert.deepEqual(readdirSync(path).toSorted(), [
    "config.json",
    "manifest.json",
    "model.safetensors",
  ]);
  await using model = await openModelDirectory(path);
  assert.equal((await model.find("w"))?.file, "model.safetensors");
  assert.equal(await model.find("v"), undefined);
  assert.equal(model.generationConfig, undefined);
  assert.equal(await model.tokenizer(), undefined);
});

test("weights go on in another file where one may hold no more, and all of them are found and replaced", async () => {
  const path = freshPath();
  const weights = [f32("a", [3], 1), f32("b", [1], 2), f32("c", [9], 3), f32("d", [1], 4)];
  await writeModelDir(path, { config: {}, weights: [f32("w", [1], 1)] });
  const alone = freshPath();
  await writeModelDir(alone, { config: {}, weights: weights.slice(0, 2) });
  const most = statSync(join(alone, "model.safetensors")).size;
  await writeModelDir(path, { config: {}, weights, weightFileBytes: most });
  const shard = (number: number): string => `model-0000${number}-of-00003.safetensors`;
  assert.deepEqual(readdirSync(path).toSorted(), [
    "config.json",
    "manifest.json",
    ...[1, 2, 3].map(shard),
    "model.safetensors.index.json",
  ]);
  {
    await using model = await openModelDirectory(path);
    const found = await Promise.all(
      weights.map(async ({ name }) => (await model.find(name))?.file),
    );
    assert.deepEqual(found, [1, 1, 2, 3].map(shard));
    assert.equal(statSync(join(path, shard(1))).size, most);
    await writeModelDir(alone, { config: {}, weights, weightFileBytes: most - 1 });
    await using closer = await openModelDirectory(alone);
    assert.deepEqual(
      await Promise.all(["a", "b"].map(async (name) => (await closer.find(name))?.file)),
      ["model-00001-of-00004.safetensors", "model-00002-of-00004.safetensors"],
    );
    assert.deepEqual(new Float32Array((await model.read("d")).buffer), Float32Array.of(4));
  }
  await writeModelDir(path, { config: {}, weights });
  assert.deepEqual(readdirSync(path).toSorted(), [
    "config.json",
    "manifest.json",
    "model.safetensors",
  ]);
});

test("a tensor is found although other files of the model are missing", async () => {
  const path = freshPath();
  await writeModelDir(path, files);
  rmSync(join(path, "model-engram-00002-of-00002.safetensors"));
  await using model = await openModelDirectory(path);
  assert.deepEqual((await model.find("embed.weight"))?.shape, [4, 2]);
  await assert.rejects(
    model.read("layers.2.engram.embed.weight"),
    /model-engram-00002-of-00002.safetensors is missing; the model is not complete/,
  );
});

test("what is no model directory is refused with what was found", async () => {
  const path = freshPath();
  await assert.rejects(openModelDirectory(path), /expected a model directory, there is nothing/);
  writeFileSync(path, "x");
  await assert.rejects(openModelDirectory(path), /expected a model directory, it is a file/);
  const empty = freshPath();
  mkdirSync(empty);
  await assert.rejects(openModelDirectory(empty), /it has no config.json/);
  writeFileSync(join(empty, "config.json"), "{");
  await assert.rejects(
    openModelDirectory(empty),
    (e) => e instanceof FormatError && /config.json is not JSON/.test(e.message),
  );
  writeFileSync(join(empty, "config.json"), "[]");
  await assert.rejects(openModelDirectory(empty), /expected a JSON object/);
});

test("an index that leads out of the directory is refused", async () => {
  const path = await unsealed();
  for (const file of [
    "../secret.safetensors",
    "/etc/passwd",
    "a\\b.safetensors",
    "a\0.safetensors",
    "C:a.safetensors",
    3,
  ]) {
    const index = { weight_map: { "embed.weight": file } };
    writeFileSync(join(path, "model.safetensors.index.json"), JSON.stringify(index));
    await assert.rejects(openModelDirectory(path), /expected the name of a .safetensors file/);
  }
});

test("an index and files that disagree are refused by tensor", async () => {
  const path = await unsealed();
  const indexPath = join(path, "model.safetensors.index.json");
  const index = JSON.parse(readFileSync(indexPath, "utf8"));
  const { "norm.weight": _, ...fewer } = index.weight_map;
  writeFileSync(indexPath, JSON.stringify({ weight_map: fewer }));
  await using model = await openModelDirectory(path);
  await assert.rejects(model.tensors(), /holds tensor "norm.weight".* in no file/);
  const more = { ...index.weight_map, bias: "model.safetensors" };
  writeFileSync(indexPath, JSON.stringify({ weight_map: more }));
  await using other = await openModelDirectory(path);
  await assert.rejects(other.tensors(), /has no tensor "bias"/);
  await assert.rejects(other.find("bias"), /has no tensor "bias"/);
});

test("a model written over another leaves no file of the other", async () => {
  const path = freshPath();
  await writeModelDir(path, { ...files, chatTemplate: "{{ messages }}", certificate: {} });
  writeFileSync(join(path, "notes.txt"), "mine");
  await writeModelDir(path, { config: { second: true }, weights: [f32("w", [1], 1)] });
  assert.deepEqual(readdirSync(path).toSorted(), [
    "config.json",
    "manifest.json",
    "model.safetensors",
    "notes.txt",
  ]);
});

test("a full disk in mid-table is a store error, and the old model is whole", async (t) => {
  if (process.platform !== "linux") return t.skip("needs /dev/full, which only Linux has");
  const path = freshPath();
  await writeModelDir(path, files);
  const before = readdirSync(path).toSorted();
  const full: TensorSource = {
    name: "t",
    dtype: "U8",
    shape: [10],
    *chunks() {
      yield new Uint8Array(5);
      // The kernel's own ENOSPC, from where a real one would come: in the middle of a write.
      writeFileSync("/dev/full", "x");
    },
  };
  await assert.rejects(
    writeModelDir(path, { config: {}, weights: [], tables: [[full]] }),
    (e) => e instanceof StoreError && /the disk is full/.test(e.message),
  );
  assert.deepEqual(readdirSync(path).toSorted(), before);
  await using model = await openModelDirectory(path);
  assert.equal((await model.tensors()).size, 4);
});

/** Every path below `directory` with what it holds. */
function contentsOf(directory: string): Record<string, string> {
  const names = readdirSync(directory, { recursive: true, encoding: "utf8" }).toSorted();
  const text = (name: string): string => {
    const path = join(directory, name);
    return lstatSync(path).isFile() ? readFileSync(path, "latin1") : "";
  };
  return Object.fromEntries(names.map((name) => [name, text(name)]));
}

/** A model whose replacement was decided when its writer died, after the first of two renames. */
async function halfReplaced(): Promise<string> {
  const path = freshPath();
  await writeModelDir(path, files);
  const next = freshPath();
  await writeModelDir(next, { config: { second: true }, weights: [f32("w", [1], 9)] });
  const staging = join(path, ".saving-1-00");
  mkdirSync(staging);
  writeFileSync(join(path, "model.safetensors"), readFileSync(join(next, "model.safetensors")));
  for (const name of ["config.json", "manifest.json"])
    writeFileSync(join(staging, name), readFileSync(join(next, name)));
  const list = {
    files: ["model.safetensors", "config.json", "manifest.json"],
    stale: ["model.safetensors.index.json"],
  };
  writeFileSync(join(staging, "READY.json"), JSON.stringify(list));
  return path;
}

test("a replacement stopped between its renames is read as the new model, and nothing is changed", async () => {
  const path = await halfReplaced();
  const before = contentsOf(path);
  await using model = await openModelDirectory(path);
  assert.deepEqual(model.config, { second: true });
  assert.deepEqual([...(await model.tensors()).keys()], ["w"]);
  assert.deepEqual(new Float32Array((await model.read("w")).buffer), Float32Array.of(9));
  assert.deepEqual(contentsOf(path), before);
});

test("a replacement stopped between its renames is finished by the next writer", async () => {
  const path = await halfReplaced();
  const failing = { config: {}, weights: [{ ...f32("w", [2], 1), chunks: () => [] }] };
  await assert.rejects(writeModelDir(path, failing));
  assert.deepEqual(JSON.parse(readFileSync(join(path, "config.json"), "utf8")), { second: true });
  assert.ok(!readdirSync(path).some((name) => /^\.saving|index/.test(name)));
});

test("a list of files in a stranger's directory deletes, replaces and moves nothing", async () => {
  const outside = freshPath();
  mkdirSync(outside);
  const home = { victim: "mine", ".bashrc": "mine", "config.json": "{}", "model.safetensors": "" };
  for (const [name, text] of Object.entries(home)) writeFileSync(join(outside, name), text);
  const base = basename(outside);
  const lists: readonly [files: unknown, stale: unknown][] = [
    [[], [`../${base}/victim`]],
    [[`../${base}/.bashrc`], []],
    [[], [join(outside, "victim")]],
    [["notes.txt"], []],
    [[], ["notes.txt"]],
    [[".."], []],
    [[3], []],
    ["config.json", []],
    [[], null],
  ];
  for (const [listed, stale] of lists) {
    const path = freshPath();
    await writeModelDir(path, files);
    writeFileSync(join(path, "notes.txt"), "mine");
    const staging = join(path, ".saving-1-a");
    mkdirSync(staging);
    writeFileSync(join(staging, ".bashrc"), "theirs");
    writeFileSync(join(staging, "notes.txt"), "theirs");
    writeFileSync(join(staging, "READY.json"), JSON.stringify({ files: listed, stale }));
    const before = contentsOf(path);
    const refusal = /\.saving-1-a.READY\.json: expected/;
    await assert.rejects(openModelDirectory(path), refusal, JSON.stringify(listed));
    await assert.rejects(writeModelDir(path, files), refusal, JSON.stringify(listed));
    assert.deepEqual(contentsOf(path), before);
  }
  // As a link, the hidden directory would be somebody else's, with files of ours moved out of it.
  const path = freshPath();
  await writeModelDir(path, files);
  const ready = { files: ["config.json", "model.safetensors"], stale: [] };
  writeFileSync(join(outside, "READY.json"), JSON.stringify(ready));
  symlinkSync(outside, join(path, ".saving-1-a"));
  await using model = await openModelDirectory(path);
  assert.deepEqual(model.config, files.config);
  await writeModelDir(path, files);
  rmSync(join(outside, "READY.json"));
  assert.deepEqual(contentsOf(outside), home);
});

test("a model whose writer is killed at any moment is one model, whole", async () => {
  const path = freshPath();
  const program = `
    import { writeModelDir } from ${JSON.stringify(new URL("model-dir.ts", import.meta.url).href)};
    import { tensorSource } from ${JSON.stringify(new URL("../safetensors-file.ts", import.meta.url).href)};
    for (let i = 1; ; i++) {
      const data = new Float32Array(1 << 18).fill(i);
      const source = (name) => tensorSource({ name, dtype: "F32", shape: [data.length] }, data);
      await writeModelDir(process.argv[1], {
        config: { i },
        weights: [source("w")],
        tables: i % 2 ? [[source("t")]] : [],
      });
      console.log(i);
    }`;
  for (const delay of [0, 2, 5, 9, 14, 22]) {
    const child = spawn(process.execPath, ["--input-type=module", "-e", program, path], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    await sleep(delay);
    child.kill("SIGKILL");
    await once(child, "close");
    await using model = await openModelDirectory(path);
    const i = model.config["i"] as number;
    const tensors = await model.tensors();
    assert.deepEqual([...tensors.keys()].toSorted(), i % 2 ? ["t", "w"] : ["w"]);
    for (const name of tensors.keys()) {
      const values = new Float32Array((await model.read(name)).buffer);
      assert.ok(values.every((v) => v === i));
    }
  }
});

test("a table may lie elsewhere, behind a symbolic link", async () => {
  const path = freshPath();
  await writeModelDir(path, files);
  const name = "model-engram-00001-of-00002.safetensors";
  const elsewhere = freshPath();
  writeFileSync(elsewhere, readFileSync(join(path, name)));
  rmSync(join(path, name));
  symlinkSync(elsewhere, join(path, name));
  await using model = await openModelDirectory(path);
  assert.equal((await model.read("layers.1.engram.embed.weight")).length, 40);
});

test("any flipped byte of any file is found when the model is read, and the file is named", async () => {
  const path = freshPath();
  await writeModelDir(path, { ...files, chatTemplate: "{{ messages }}" });
  const readAll = async (): Promise<void> => {
    await using model = await openModelDirectory(path);
    await model.tokenizer();
    await model.chatTemplate();
    await model.tensors();
  };
  await readAll();
  for (const name of readdirSync(path)) {
    const whole = readFileSync(join(path, name));
    for (let at = 0; at < whole.length; at += Math.ceil(whole.length / 40)) {
      const damaged = Uint8Array.from(whole);
      damaged[at]! ^= 1 << (at % 8);
      writeFileSync(join(path, name), damaged);
      await assert.rejects(
        readAll,
        (error) => error instanceof FormatError && error.message.startsWith(join(path, name)),
        `byte ${at} of ${name}`,
      );
    }
    rmSync(join(path, name));
    if (name !== "manifest.json") await assert.rejects(readAll, FormatError, name);
    writeFileSync(join(path, name), whole);
  }
  await readAll();
});

test("damage says what was expected, what was found, and where", async () => {
  const path = freshPath();
  const weights = [tensorSource({ name: "w", dtype: "U8", shape: [200_000] }, new Uint8Array(2e5))];
  await writeModelDir(path, { config: {}, weights });
  const file = join(path, "model.safetensors");
  const bytes = readFileSync(file);
  bytes[150_000] = 1;
  writeFileSync(file, bytes);
  await using model = await openModelDirectory(path);
  await assert.rejects(
    model.read("w"),
    /model\.safetensors: expected CRC-32C [0-9a-f]{8} of bytes 131072 to 196607, found [0-9a-f]{8}/,
  );
});
