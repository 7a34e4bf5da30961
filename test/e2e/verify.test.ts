/** `engram verify` over everything that we write, byte after byte, and over what others leave. */
import assert from "node:assert/strict";
import {
  cpSync,
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
import { join } from "node:path";
import test, { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { engram } from "../engram.ts";
import { tensorSource } from "../../src/checkpoint/index.ts";
import { writeModelDir } from "../../src/checkpoint/node/index.ts";
import { ortBackend } from "../../src/index.ts";
import { trainModel } from "../../src/index-training.ts";
import { writeTableFile } from "../../src/memory/stores/ranges/node/index.ts";
import { type FileCheck, verifyDirectory } from "../../src/cli/verify-directory.ts";
import { miniPreset } from "../models/mini-preset.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "engram-verify-"));
after(() => rmSync(scratch, { recursive: true }));

async function verify(path: string): Promise<FileCheck[]> {
  const checks: FileCheck[] = [];
  for await (const check of verifyDirectory(path)) checks.push(check);
  return checks;
}

const damagedIn = (checks: readonly FileCheck[]): string[] =>
  checks.filter(({ damage }) => damage.length > 0).map(({ file }) => file);

function editedIn(checks: Awaited<ReturnType<typeof verify>>): string[] {
  return checks.flatMap(({ file, isEdited }) => (isEdited === true ? [file] : []));
}

function filesOf(directory: string): string[] {
  const names = readdirSync(directory, { recursive: true, encoding: "utf8" }).toSorted();
  return names.filter((name) => statSync(join(directory, name)).isFile());
}

/** Flips a bit in some bytes of every file, one after the other, and expects that the file is named. */
async function findsEveryFlip(directory: string, flips: number): Promise<void> {
  for (const name of filesOf(directory)) {
    const whole = readFileSync(join(directory, name));
    let tried = 0;
    const isPromised = name.endsWith(".rows") ? recordsPromisedBy(directory, whole) : () => true;
    for (let i = 0; i < flips; i++) {
      const at = Math.floor(((i + 0.5) / flips) * whole.length);
      if (!isPromised(at)) continue;
      tried++;
      // In manifest.json, white space between words may be other white space.
      if (whole[at]! <= 0x20 && name.endsWith("manifest.json")) continue;
      // What no checkpoint vouches for yet: lines after it.
      if (name.endsWith("metrics.jsonl") && at > whole.length / 2) continue;
      const damaged = Uint8Array.from(whole);
      damaged[at]! ^= 4;
      writeFileSync(join(directory, name), damaged);
      const checks = await verify(directory);
      // A model card is for people to edit, so it is found as that.
      const found = name === "README.md" ? editedIn(checks) : damagedIn(checks);
      assert.ok(found.includes(name), `byte ${at} of ${name}: ${found.join(", ") || "nothing"}`);
    }
    writeFileSync(join(directory, name), whole);
    assert.ok(tried > 0, name);
  }
  assert.deepEqual(damagedIn(await verify(directory)), []);
}

/** Whether a byte of the row log is of its header or of a record that a checkpoint refers to: other records are free space. */
function recordsPromisedBy(directory: string, log: Uint8Array): (at: number) => boolean {
  const recordBytes = new DataView(log.buffer, log.byteOffset).getUint32(12, true) + 8;
  const slots = new Set<number>();
  for (const name of filesOf(directory).filter((file) => file.endsWith("state.safetensors"))) {
    const bytes = readFileSync(join(directory, name));
    const length = Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.toString("utf8", 8, 8 + length)) as Record<string, unknown>;
    const map = header["rows.1"] as { data_offsets: [number, number] };
    for (let at = map.data_offsets[0]; at < map.data_offsets[1]; at += 4)
      slots.add(bytes.readUInt32LE(8 + length + at));
  }
  return (at) => at < 4096 || slots.has(1 + Math.floor((at - 4096) / recordBytes));
}

const runs = {
  ram: join(scratch, "ram"),
  disk: join(scratch, "disk"),
  done: join(scratch, "done"),
};

before(async () => {
  const data = join(scratch, "text.txt");
  const play = readFileSync(join(root, "assets/tinyshakespeare.txt"), "utf8");
  writeFileSync(data, play.slice(0, 20_000));
  const backend = ortBackend({ threads: 1 });
  for (const [name, tableMemory] of [
    ["ram", undefined],
    ["disk", 250_000],
    ["done", undefined],
  ] as const) {
    const controller = new AbortController();
    const running = trainModel({
      data: [data],
      preset: miniPreset,
      overrides: { steps: 4 },
      out: runs[name],
      backend,
      checkpointEvery: 2,
      ...(tableMemory !== undefined && { tableMemory }),
      signal: controller.signal,
      onEvent: (event) => {
        if (event.type === "step" && event.report.step === 3 && name !== "done") controller.abort();
      },
    });
    if (name === "done") await running;
    else await assert.rejects(running, { name: "AbortError" });
  }
  await backend.dispose();
});

test("everything that a finished run leaves has a sum, and every flip in it is found", async () => {
  const checks = await verify(runs.done);
  assert.deepEqual(checks.map(({ file }) => file).toSorted(), filesOf(runs.done));
  assert.ok(checks.every(({ by, damage }) => by !== undefined && damage.length === 0));
  await findsEveryFlip(runs.done, 12);
});

for (const name of ["ram", "disk"] as const)
  test(`everything that an unfinished run has (table in ${name}) has a sum, and every flip is found`, async () => {
    const checks = await verify(runs[name]);
    const files = new Set(checks.map(({ file }) => file));
    assert.deepEqual([...files].toSorted(), filesOf(runs[name]));
    assert.deepEqual(
      checks.filter(({ by }) => by === undefined),
      [],
    );
    await findsEveryFlip(runs[name], 6);
  });

test("a checkpoint by itself is verified with the logs that it refers to", async () => {
  const checkpoint = join(runs.disk, "checkpoints", "step-000000003");
  const files = (await verify(checkpoint)).map(({ file }) => file);
  const model = ["config.json", "manifest.json", "model.safetensors"];
  const own = [...model, "state.json", "state.safetensors", "tokenizer.json"];
  assert.deepEqual(files.toSorted(), ["../layer-1.rows", ...own]);
});

test("damage is placed: bytes, and the tensors that lie there", async () => {
  const path = join(scratch, "placed");
  const source = (name: string, size: number) =>
    tensorSource({ name, dtype: "U8", shape: [size] }, new Uint8Array(size).fill(1));
  await writeModelDir(path, { config: {}, weights: [source("a", 150_000), source("b", 50_000)] });
  const file = join(path, "model.safetensors");
  const bytes = readFileSync(file);
  for (const at of [70_000, 199_000]) bytes[at]! ^= 1;
  writeFileSync(file, bytes);
  const [, , check] = await verify(path);
  assert.equal(check!.file, "model.safetensors");
  assert.match(
    check!.damage[0]!,
    /expected CRC-32C \w{8} of bytes 65536 to 131071, found \w{8}; part of "a"$/,
  );
  assert.match(check!.damage[1]!, /of bytes 196608 to \d+, found \w{8}; part of "b"$/);
  assert.equal(check!.damage.length, 2);
  rmSync(file);
  assert.match((await verify(path))[2]!.damage[0]!, /expected a file of \d+ bytes, there is none/);
});

test("a table file is verified by its own sums, alone or in a directory", async () => {
  const path = join(scratch, "tables");
  mkdirSync(path);
  const file = join(path, "layer.engram");
  await writeTableFile(file, {
    format: "f32",
    headDim: 4,
    numRows: 1000,
    rows: [new Uint8Array(16_000).fill(7)],
  });
  assert.deepEqual(
    (await verify(path)).map(({ by }) => by),
    ["its own checksums"],
  );
  const bytes = readFileSync(file);
  bytes[bytes.length - 8000]! ^= 1;
  writeFileSync(file, bytes);
  for (const place of [path, file])
    assert.match(
      (await verify(place))[0]!.damage[0]!,
      /rows \d+\.\.\d+, bytes \d+\.\.\d+\) does not match/,
    );
});

// Published: FIPS 180-4's example, and what `git hash-object` says of "hello\\n" (Pro Git, 10.2 shows the recipe).
const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const hello = "ce013625030ba8dba906f756967f9e9ca394464a";

test("models of others are verified by the sums that came with them", async () => {
  const blobs = join(scratch, "blobs");
  mkdirSync(blobs);
  writeFileSync(join(blobs, abc), "abc");
  writeFileSync(join(blobs, hello), "hello\n");
  const cached = join(scratch, "snapshot");
  mkdirSync(cached);
  symlinkSync(join("..", "blobs", abc), join(cached, "weights.bin"));
  symlinkSync(join("..", "blobs", hello), join(cached, "README.md"));

  const downloaded = join(scratch, "downloaded");
  const notes = join(downloaded, ".cache", "huggingface", "download");
  mkdirSync(notes, { recursive: true });
  writeFileSync(join(downloaded, "weights.bin"), "abc");
  writeFileSync(join(notes, "weights.bin.metadata"), `${"0".repeat(40)}\n${abc}\n1700000000.5\n`);

  const listed = join(scratch, "listed");
  mkdirSync(listed);
  writeFileSync(join(listed, "weights.bin"), "abc");
  const lines = [`${abc}  weights.bin`, `${abc} *../blobs/${abc}`, ""];
  writeFileSync(join(listed, "SHA256SUMS"), lines.join("\n"));

  for (const directory of [cached, downloaded, listed]) {
    const named = (await verify(directory)).filter(({ by }) => by !== undefined);
    assert.equal(named.length, directory === cached ? 2 : 1, directory);
    assert.deepEqual(damagedIn(named), []);
    writeFileSync(join(directory, "weights.bin"), "abd");
    assert.deepEqual(damagedIn(await verify(directory)), ["weights.bin"], directory);
  }
});

test("the model that comes along is what was saved", async () => {
  const checks = await verify(join(root, "assets", "shakespeare"));
  assert.ok(checks.every(({ by, damage }) => by !== undefined && damage.length === 0));
});

test("the command says what is whole, fails on damage, changes nothing, and seals what was changed on purpose", async () => {
  const model = join(scratch, "sealed");
  cpSync(runs.done, model, { recursive: true });
  const { status, stdout } = await engram("verify", model, "--json");
  assert.equal(status, 0);
  assert.equal(JSON.parse(stdout).files.length, filesOf(model).length);
  const config = join(model, "config.json");
  writeFileSync(config, `${readFileSync(config, "utf8")}\n`);
  const contents = filesOf(model).map((name) => readFileSync(join(model, name), "latin1"));
  const refused = await engram("verify", model, "--json");
  assert.equal(refused.status, 1);
  const { code, message } = JSON.parse(refused.stdout).error;
  assert.equal(code, "damaged");
  assert.match(message, /config\.json: expected \d+ bytes, found \d+/);
  assert.match((await engram("show", model)).stderr, /if on purpose: engram verify DIR --seal/);
  assert.deepEqual(
    filesOf(model).map((name) => readFileSync(join(model, name), "latin1")),
    contents,
  );
  assert.equal((await engram("verify", model, "--seal")).status, 0);
  assert.equal((await engram("show", model)).status, 0);
  for (const nothing of [join(scratch, "nowhere"), join(scratch, "blobs", "none")])
    assert.equal((await engram("verify", nothing)).status, 2);
});
