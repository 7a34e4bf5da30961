/**
 * Checkpoint series under bad luck: killed writers, full disks, broken copies. The invariant: what
 * was saved stays loadable until something newer is.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { FormatError, StoreError } from "../../errors.ts";
import {
  type Checkpoint,
  checkCheckpoint,
  findCheckpoints,
  listCheckpoints,
  saveCheckpoint,
  setAside,
} from "./atomic-dir.ts";
import { tensorSource } from "../safetensors-file.ts";
import { writeSafetensors } from "./safetensors-file.ts";

const scratch = mkdtempSync(join(tmpdir(), "engram-checkpoints-"));
after(() => rmSync(scratch, { recursive: true }));
let count = 0;
const freshRoot = (): string => join(scratch, String(count++));

async function save(root: string, step: number, keep = 2): Promise<void> {
  const write = (directory: string): Promise<void> =>
    writeFile(join(directory, "state.json"), JSON.stringify({ step }));
  await saveCheckpoint(root, { step, keep, write });
}

async function newestCheckpoint(root: string): Promise<Checkpoint | undefined> {
  return (await listCheckpoints(root)).at(-1);
}

function stateOf(path: string): unknown {
  return JSON.parse(readFileSync(join(path, "state.json"), "utf8"));
}

test("a root that is not there has no checkpoints", async () => {
  assert.equal(await newestCheckpoint(freshRoot()), undefined);
});

test("the newest is found by step, not by spelling or time", async () => {
  const root = freshRoot();
  for (const step of [2_000_000_000, 999, 1000]) await save(root, step, 5);
  assert.equal((await newestCheckpoint(root))?.step, 2_000_000_000);
  assert.deepEqual(
    (await listCheckpoints(root)).map((c) => c.step),
    [999, 1000, 2_000_000_000],
  );
});

test("only the last K are kept", async () => {
  const root = freshRoot();
  for (let step = 1; step <= 5; step++) await save(root, step, 2);
  assert.deepEqual(readdirSync(root).toSorted(), ["step-000000004", "step-000000005"]);
});

test("a step that is saved again replaces nothing before it is whole, and then is the newest", async () => {
  const root = freshRoot();
  await save(root, 7, 1);
  const { path } = await saveCheckpoint(root, {
    step: 7,
    keep: 1,
    write: (directory) => writeFile(join(directory, "state.json"), '"again"'),
  });
  assert.equal((await newestCheckpoint(root))?.path, path);
  assert.equal(stateOf(path), "again");
  assert.equal(readdirSync(root).length, 1);
});

test("a writer that fails leaves the earlier checkpoint and nothing of its own", async () => {
  const root = freshRoot();
  await save(root, 1);
  const saving = saveCheckpoint(root, {
    step: 2,
    keep: 1,
    write: async (directory) => {
      await writeFile(join(directory, "half"), "x");
      throw new RangeError("stop here");
    },
  });
  await assert.rejects(saving, RangeError);
  assert.deepEqual(readdirSync(root), ["step-000000001"]);
});

test("a full disk is a store error, and the earlier checkpoint is intact", async (t) => {
  if (process.platform !== "linux") return t.skip("needs /dev/full, which only Linux has");
  const root = freshRoot();
  await save(root, 1);
  const data = new Uint8Array(100_000).fill(1);
  const spec = { name: "a", dtype: "U8" as const, shape: [data.length] };
  for (const write of [
    async (directory: string): Promise<void> => {
      const source = tensorSource(spec, data);
      const chunks = function* (): Generator<Uint8Array> {
        yield data.subarray(0, 5);
        // The kernel's own ENOSPC, from where a real one would come: in the middle of a write.
        writeFileSync("/dev/full", "x");
      };
      await writeSafetensors(join(directory, "w.safetensors"), [{ ...source, chunks }]);
    },
    (): Promise<void> => writeFile("/dev/full", data),
  ])
    await assert.rejects(
      saveCheckpoint(root, { step: 2, keep: 1, write }),
      (error) => error instanceof StoreError && /the disk is full/.test(error.message),
    );
  assert.deepEqual(readdirSync(root), ["step-000000001"]);
  assert.deepEqual(stateOf((await newestCheckpoint(root))!.path), { step: 1 });
});

test("a copy that was broken off is passed over and not removed", async () => {
  const root = freshRoot();
  await save(root, 1);
  await save(root, 2);
  writeFileSync(join(root, "step-000000002", "state.json"), "{");
  mkdirSync(join(root, "step-000000003"));
  assert.equal((await newestCheckpoint(root))?.step, 1);
  await save(root, 4, 1);
  assert.deepEqual(readdirSync(root).toSorted(), [
    "step-000000002",
    "step-000000003",
    "step-000000004",
  ]);
});

test("a manifest that names files elsewhere makes no checkpoint", async () => {
  const root = freshRoot();
  await save(root, 1);
  writeFileSync(join(root, "outside"), "12345");
  const path = join(root, "step-000000002");
  mkdirSync(path);
  const manifest = { version: 1, step: 2, files: { "../outside": 5 } };
  writeFileSync(join(path, "manifest.json"), JSON.stringify(manifest));
  assert.equal((await newestCheckpoint(root))?.step, 1);
});

test("a flipped byte, a lost file and a lost manifest are told from a whole checkpoint", async () => {
  const root = freshRoot();
  await save(root, 1);
  const { path } = (await newestCheckpoint(root))!;
  await checkCheckpoint({ path });
  for (const name of ["state.json", "manifest.json"]) {
    const file = join(path, name);
    const whole = readFileSync(file);
    for (let at = 0; at < whole.length; at++) {
      // A changed space between words changes nothing.
      if (whole[at] === 0x20 || whole[at] === 0x0a) continue;
      writeFileSync(
        file,
        Uint8Array.from(whole, (byte, i) => (i === at ? byte ^ 1 : byte)),
      );
      const named = (error: unknown): boolean =>
        error instanceof FormatError && error.message.startsWith(path);
      await assert.rejects(checkCheckpoint({ path }), named, `byte ${at} of ${name}`);
    }
    rmSync(file);
    await assert.rejects(checkCheckpoint({ path }), /expected .*, there is none/);
    writeFileSync(file, whole);
  }
});

test("a checkpoint that was set aside is no checkpoint any more, and keeps its bytes", async () => {
  const root = freshRoot();
  for (const step of [1, 2, 2]) await save(root, step, 9);
  const aside = [];
  for (const checkpoint of (await findCheckpoints(root)).slice(1))
    aside.push(await setAside(root, checkpoint));
  assert.deepEqual(readdirSync(root).toSorted(), [
    "step-000000001",
    "step-000000002.damaged",
    "step-000000002.damaged.2",
  ]);
  assert.deepEqual(aside.map(stateOf), [{ step: 2 }, { step: 2 }]);
  assert.deepEqual(
    (await findCheckpoints(root)).map(({ step }) => step),
    [1],
  );
});

/** Saves checkpoints of 8 MiB without end and prints each step once it is said to be saved. */
const endlessWriter = `
  import { saveCheckpoint } from ${JSON.stringify(new URL("atomic-dir.ts", import.meta.url).href)};
  import { tensorSource } from ${JSON.stringify(new URL("../safetensors-file.ts", import.meta.url).href)};
  import { writeSafetensors } from ${JSON.stringify(new URL("safetensors-file.ts", import.meta.url).href)};
  const root = process.argv[1];
  for (let step = Number(process.argv[2]); ; step++) {
    const data = new Uint8Array(8 << 20).fill(1 + step % 255);
    const spec = { name: "a", dtype: "U8", shape: [data.length] };
    await saveCheckpoint(root, {
      step,
      keep: 1,
      write: (d) => writeSafetensors(d + "/w.safetensors", [tensorSource(spec, data)]),
    });
    console.log(step);
  }`;

test("a writer killed at any moment leaves its last checkpoint loadable", async () => {
  const root = freshRoot();
  let next = 1;
  for (const delay of [0, 3, 7, 12, 20, 33]) {
    const child = spawn(
      process.execPath,
      ["--input-type=module", "-e", endlessWriter, root, String(next)],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    let printed = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (printed += text));
    await once(child.stdout, "data");
    await sleep(delay);
    child.kill("SIGKILL");
    await once(child, "close");
    const saved = Number(printed.trim().split("\n").at(-1));
    const newest = await newestCheckpoint(root);
    assert.ok(newest !== undefined && newest.step >= saved, `${newest?.step} after ${saved}`);
    const bytes = readFileSync(join(newest.path, "w.safetensors")).subarray(-(8 << 20));
    assert.ok(bytes.every((b) => b === 1 + (newest.step % 255)));
    next = newest.step + 1;
  }
  // What the killed left behind goes with the next save.
  await save(root, next, 1);
  assert.deepEqual(readdirSync(root), [`step-${String(next).padStart(9, "0")}`]);
});
