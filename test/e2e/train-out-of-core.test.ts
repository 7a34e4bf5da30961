/** Real runs whose table lies on disk, killed at any moment: to the bit what they are in memory. */
import assert from "node:assert/strict";
import { spawn, type StdioOptions } from "node:child_process";
import { existsSync } from "node:fs";
import {
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { generateText, loadModel, type RowStore } from "../../src/index.ts";

const program = fileURLToPath(new URL("train-process.ts", import.meta.url));
const sample = new URL("../../assets/tinyshakespeare.txt", import.meta.url);
/** 24,000 rows of 36 bytes are 844 KiB; of these the rows of two steps fit beside map, counts and buffers. */
const tableMemory = 344_000;

let directory = "";
let data = "";

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "engram-out-of-core-"));
  data = join(directory, "text.txt");
  await writeFile(data, (await readFile(sample, "utf8")).slice(0, 60_000));
});
after(() => rm(directory, { recursive: true, force: true }));

interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
  readonly text: string;
}

/** Runs the program; kills it `delay` ms after it has printed `until`. */
function run(
  out: string,
  options: {
    resume?: boolean;
    bytes?: number;
    until?: string;
    delay?: number;
    /** The largest file that the system lets it write, in KiB. */
    fileLimit?: number;
  } = {},
): Promise<Ending> {
  const { resume = false, bytes = tableMemory, until, delay = 0, fileLimit } = options;
  const words = [program, data, out, ...(resume ? ["resume"] : []), String(bytes)];
  const stdio: StdioOptions = ["ignore", "pipe", "pipe"];
  const child =
    fileLimit === undefined
      ? spawn(process.execPath, words, { stdio })
      : // With the signal ignored, a write beyond the limit fails like one on a full disk.
        spawn(
          "bash",
          [
            "-c",
            `trap "" XFSZ; ulimit -f ${fileLimit}; exec "$@"`,
            "bash",
            process.execPath,
            ...words,
          ],
          { stdio },
        );
  let text = "";
  let isHit = false;
  const read = (chunk: Buffer): void => {
    text += chunk.toString();
    if (until === undefined || isHit || !text.split("\n").includes(until)) return;
    isHit = true;
    setTimeout(() => child.kill("SIGKILL"), delay);
  };
  child.stdout!.on("data", read);
  child.stderr!.on("data", read);
  return new Promise((resolve) =>
    child.on("close", (code, signal) => resolve({ code, signal, text })),
  );
}

async function history(out: string): Promise<string[]> {
  const lines = (await readFile(join(out, "metrics.jsonl"), "utf8")).trim().split("\n");
  return lines.map((line) => {
    const {
      tokensPerSecond: _clock,
      seconds: _time,
      ...rest
    } = JSON.parse(line) as Record<string, unknown>;
    return JSON.stringify(rest);
  });
}

const modelFiles = ["model.safetensors", "model-engram-00001-of-00001.safetensors", "config.json"];

let inMemory = "";

test("a table on disk gives the same losses and the same model as one in memory, to the bit", async () => {
  inMemory = join(directory, "in-memory");
  const onDisk = join(directory, "on-disk");
  const endings = [await run(inMemory, { bytes: 0 }), await run(onDisk)];
  for (const { code, text } of endings) assert.equal(code, 0, text);
  assert.deepEqual(await history(onDisk), await history(inMemory));
  assert.equal((await history(onDisk)).filter((line) => line.includes('"loss"')).length, 40);
  for (const file of modelFiles)
    assert.ok(
      (await readFile(join(onDisk, file))).equals(await readFile(join(inMemory, file))),
      file,
    );
  assert.ok(!existsSync(join(onDisk, "checkpoints")), "the log goes with the checkpoints");
});

test("killed again and again, in steps, write-back and checkpoints, it ends in the same model to the bit", async () => {
  const out = join(directory, "killed");
  for (const [i, blow] of [
    { until: "step 2", delay: 0 },
    { until: "step 7", delay: 2 },
    // Checkpoints of steps 12, 15, ... are being written while these arrive.
    { until: "step 12", delay: 1 },
    { until: "step 15", delay: 4 },
    { until: "step 18", delay: 8 },
    { until: "checkpoint 21", delay: 0 },
    { until: "checkpoint 27", delay: 30 },
    // The model is being saved.
    { until: "step 40", delay: 150 },
  ].entries()) {
    const ending = await run(out, { resume: i > 0, ...blow });
    if (ending.signal !== "SIGKILL") assert.equal(blow.until, "step 40", ending.text);
  }
  if (!existsSync(join(out, "config.json"))) {
    // Other memory changes nothing.
    const ending = await run(out, { resume: true, bytes: 2 * tableMemory });
    assert.equal(ending.code, 0, ending.text);
  }
  assert.deepEqual(await history(out), await history(inMemory));
  for (const file of modelFiles)
    assert.ok((await readFile(join(out, file))).equals(await readFile(join(inMemory, file))), file);
});

test("a checkpoint does not copy the table, and says which way it keeps it", async () => {
  const out = join(directory, "stopped");
  await run(out, { until: "checkpoint 9", delay: 0 });
  const checkpoints = join(out, "checkpoints");
  const names = (await readdir(checkpoints)).filter((name) => /^step-\d+$/.test(name));
  const sizes = await Promise.all(
    ["model.safetensors", "state.safetensors"].map((name) =>
      stat(join(checkpoints, names[0]!, name)),
    ),
  );
  const size = sizes.reduce((sum, one) => sum + one.size, 0);
  // Weights and their two moments, and five bytes a row (its place and the count of its uses); the table has 36 a row.
  const { numParams, numRows } = JSON.parse(
    await readFile(join(inMemory, "training.json"), "utf8"),
  ) as { numParams: number; numRows: number };
  assert.ok(size < 12 * numParams + 5 * numRows + 6000, `${size} bytes`);
  const refused = await run(out, { resume: true, bytes: 0 });
  assert.match(refused.text, /keeps its tables on disk; resume with a memory for them/);
  const checkpoint = join(checkpoints, names[0]!);
  await using model = await loadModel(checkpoint, { memory: false });
  assert.equal(model.hasMemory, false);
});

async function checkpointsOf(out: string): Promise<string[]> {
  const names = await readdir(join(out, "checkpoints"));
  return names.filter((name) => /^step-\d+$/.test(name)).toSorted();
}

async function allRows(store: RowStore): Promise<Uint8Array> {
  const rows = Uint32Array.from({ length: store.numRows }, (_, row) => row);
  const bytes = new Uint8Array(store.numRows * store.rowBytes);
  await store.read(rows, bytes);
  return bytes;
}

test("a checkpoint opens whole from the log beside it: the rows and the text of one with tables in memory", async () => {
  const out = join(directory, "stopped");
  const other = join(directory, "stopped-in-memory");
  await run(other, { bytes: 0, until: "checkpoint 9", delay: 0 });
  const name = (await checkpointsOf(out)).findLast((one) =>
    existsSync(join(other, "checkpoints", one)),
  );
  assert.ok(name !== undefined, "a step that both have");
  const logged = await loadModel(join(out, "checkpoints", name));
  const whole = await loadModel(join(other, "checkpoints", name));
  const [table] = logged.rows!.tables;
  const expected = await allRows(whole.rows!.tables[0]!.store);
  assert.ok(expected.some((byte) => byte !== 0));
  assert.deepEqual(await allRows(table!.store), expected);
  const texts = await Promise.all(
    [logged, whole].map(async (model) => {
      let text = "";
      for await (const piece of generateText(model, "ROMEO:", { maxTokens: 20, seed: 1 }))
        text += piece;
      return text;
    }),
  );
  assert.equal(texts[0], texts[1]);
  assert.deepEqual(
    logged.memoryReport!.tiers.map(({ tier }) => tier),
    ["ram", "disk"],
  );
  await logged.close();
  await whole.close();
});

test("of a damaged log no row is served, nor of another, nor once the checkpoint is gone", async () => {
  const out = join(directory, "stopped");
  const [name] = await checkpointsOf(out);
  const checkpoint = join(out, "checkpoints", name!);
  const log = join(out, "checkpoints", "layer-1.rows");
  const sound = await readFile(log);
  // A record is a row of 32 bytes with its moment, its id and its sum.
  const damaged = Uint8Array.from(sound);
  for (let at = 4096 + 5; at < damaged.length; at += 44) damaged[at]! ^= 1;
  await writeFile(log, damaged);
  const options = { tableMemory: 100_000 };
  const model = await loadModel(checkpoint, options);
  await assert.rejects(allRows(model.rows!.tables[0]!.store), /the record of row \d+ is damaged/);
  await model.close();
  damaged.set(sound);
  damaged[30]! ^= 1;
  await writeFile(log, damaged);
  await assert.rejects(loadModel(checkpoint, options), /layer-1\.rows/);
  await writeFile(log, sound);
  const left = await loadModel(checkpoint, options);
  await rename(checkpoint, `${checkpoint}-gone`);
  await assert.rejects(allRows(left.rows!.tables[0]!.store), /was removed or replaced by its run/);
  await left.close();
  await rename(`${checkpoint}-gone`, checkpoint);
});

test("no more room for the log ends the run with words, and with room it goes on to the same model", async (t) => {
  if (process.platform === "win32") return t.skip("needs a shell with ulimit");
  const out = join(directory, "full");
  // The log outgrows this after some checkpoints; nothing else comes near it.
  const { code, text } = await run(out, { fileLimit: 800 });
  assert.notEqual(code, 0);
  assert.match(
    text,
    /layer-1\.rows: cannot write rows: the disk is full \(EFBIG\); free space, then resume/,
  );
  assert.match(text, /checkpoint 6\n/);
  const ending = await run(out, { resume: true });
  assert.equal(ending.code, 0, ending.text);
  assert.deepEqual(await history(out), await history(inMemory));
  for (const file of modelFiles)
    assert.ok((await readFile(join(out, file))).equals(await readFile(join(inMemory, file))), file);
});

test("a log that was cut behind a checkpoint's back is refused, and nothing is overwritten", async () => {
  const out = join(directory, "cut");
  await run(out, { until: "checkpoint 6", delay: 0 });
  const log = join(out, "checkpoints", "layer-1.rows");
  const whole = await readFile(log);
  await truncate(log, 20_000);
  const refused = await run(out, { resume: true });
  assert.notEqual(refused.code, 0);
  assert.match(refused.text, /the log ends after record \d+; it was cut/);
  await writeFile(log, whole);
  const ending = await run(out, { resume: true });
  assert.equal(ending.code, 0, ending.text);
  assert.deepEqual(await history(out), await history(inMemory));
});

test("memory that cannot hold two steps' rows is refused with the numbers, before anything is written", async () => {
  const out = join(directory, "refused");
  const { code, text } = await run(out, { bytes: 100_000 });
  assert.notEqual(code, 0);
  assert.match(text, /needs at least \d+\.\d MiB: .* for 2048 rows/);
  assert.ok(!existsSync(out));
});
