/** Real runs, killed at any moment: what was saved is whole, and what follows is bit-identical. */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { openModelDirectory } from "../../src/checkpoint/node/index.ts";
import { bitsPerByte, generateText, loadModel, referenceBackend } from "../../src/index.ts";
import { readPart } from "../../src/training/node/index.ts";
import { miniPreset } from "../models/mini-preset.ts";
import { countOfCode } from "../../src/memory/index.ts";

const program = fileURLToPath(new URL("train-process.ts", import.meta.url));
const sample = new URL("../../assets/tinyshakespeare.txt", import.meta.url);

let directory = "";
let data = "";

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "engram-train-"));
  data = join(directory, "text.txt");
  await writeFile(data, (await readFile(sample, "utf8")).slice(0, 60_000));
});
after(() => rm(directory, { recursive: true, force: true }));

interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
  readonly lines: readonly string[];
}

/** Runs the program, sending `signal` as soon as it has printed `until`, after `delay` more ms. */
function run(
  out: string,
  {
    resume = false,
    folds = false,
    until,
    signal = "SIGKILL",
    delay = 0,
  }: {
    resume?: boolean;
    folds?: boolean;
    until?: string;
    signal?: NodeJS.Signals;
    delay?: number;
  } = {},
): Promise<Ending> {
  const words = [...(resume ? ["resume"] : []), ...(folds ? ["folds"] : [])];
  const child = spawn(process.execPath, [program, data, out, ...words], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  let sent = false;
  child.stdout.on("data", (chunk: Buffer) => {
    text += chunk.toString();
    if (until === undefined || sent || !text.split("\n").includes(until)) return;
    sent = true;
    setTimeout(() => child.kill(signal), delay);
  });
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  return new Promise((resolve) => {
    child.on("close", (code, endedBy) => {
      if (code !== 0 && endedBy === null && signal !== "SIGINT") text += `\n${errors}`;
      resolve({ code, signal: endedBy, lines: text.trim().split("\n") });
    });
  });
}

/** Every training line of the log, without what depends on the clock. */
async function history(out: string): Promise<string[]> {
  const lines = (await readFile(join(out, "metrics.jsonl"), "utf8")).trim().split("\n");
  return lines.map((line) => {
    const parsed = JSON.parse(line) as Record<string, unknown>;
    const { tokensPerSecond: _pace, seconds: _clock, ...rest } = parsed;
    return JSON.stringify(rest);
  });
}

async function runRecord(out: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(join(out, "run.json"), "utf8")) as Record<string, unknown>;
}

let whole = "";

test("a run trains, saves a model and removes its checkpoints", async () => {
  whole = join(directory, "whole");
  const ending = await run(whole);
  assert.equal(ending.code, 0, ending.lines.join("\n"));
  assert.ok(existsSync(join(whole, "model.safetensors")));
  assert.ok(!existsSync(join(whole, "checkpoints")));
  const losses = (await history(whole)).flatMap((line) => {
    const { loss } = JSON.parse(line) as { loss?: number };
    return loss === undefined ? [] : [loss];
  });
  assert.equal(losses.length, 40);
  assert.ok(losses.at(-1)! < losses[0]! - 0.8, `loss fell from ${losses[0]} to ${losses.at(-1)}`);
});

test("a run killed three times, once in mid-checkpoint, ends in the same model to the bit", async () => {
  const out = join(directory, "killed");
  for (const [i, blow] of [
    { until: "step 8", delay: 3 },
    // The checkpoint of step 12 is being written while this arrives.
    { until: "step 12", delay: 0 },
    { until: "checkpoint 24", delay: 40 },
  ].entries()) {
    const ending = await run(out, { resume: i > 0, ...blow });
    assert.equal(ending.signal, "SIGKILL", ending.lines.join("\n"));
    assert.ok(!existsSync(join(out, "config.json")), "no model appears before the run has ended");
    assert.equal((await runRecord(out))["seed"], 3, "the record is there before the first step");
  }
  const ending = await run(out, { resume: true });
  assert.equal(ending.code, 0, ending.lines.join("\n"));
  assert.deepEqual(await history(out), await history(whole));
  for (const file of [
    "model.safetensors",
    "model-engram-00001-of-00001.safetensors",
    "config.json",
  ])
    assert.ok((await readFile(join(out, file))).equals(await readFile(join(whole, file))), file);
});

test("a run with counts and rows in folds, killed twice, ends in the same model to the bit", async () => {
  const [straight, out] = [join(directory, "folds"), join(directory, "folds-killed")];
  const ending = await run(straight, { folds: true });
  assert.equal(ending.code, 0, ending.lines.join("\n"));
  for (const [i, until] of ["step 5", "checkpoint 9"].entries()) {
    const killed = await run(out, { folds: true, resume: i > 0, until });
    assert.equal(killed.signal, "SIGKILL", killed.lines.join("\n"));
  }
  const last = await run(out, { folds: true, resume: true });
  assert.equal(last.code, 0, last.lines.join("\n"));
  // Not begun again: it went on from a checkpoint.
  assert.ok(!last.lines.includes("step 3"), last.lines.join("\n"));
  assert.deepEqual(await history(out), await history(straight));
  const files = (await readdir(straight)).filter((name) => name.endsWith(".safetensors"));
  assert.ok(files.length >= 3, files.join());
  for (const file of files)
    assert.ok((await readFile(join(out, file))).equals(await readFile(join(straight, file))), file);
});

test("a run's record says what it was and where it was gone on with, and nothing of whose machine it was", async () => {
  const record = await runRecord(join(directory, "killed"));
  const text = await readFile(data);
  assert.deepEqual(record["data"], [
    {
      name: "text.txt",
      bytes: text.length,
      sha256: createHash("sha256").update(text).digest("hex"),
    },
  ]);
  assert.deepEqual(record["training"], miniPreset.training);
  const { resumed, begun: _, ...settings } = record;
  assert.equal((resumed as unknown[]).length, 3);
  // What it took is the time of all its steps, not of those since it went on.
  const { seconds } = JSON.parse(
    await readFile(join(directory, "killed", "training.json"), "utf8"),
  ) as { seconds: number };
  const log = (await readFile(join(directory, "killed", "metrics.jsonl"), "utf8")).trim();
  const steps = log.split("\n").map((line) => (JSON.parse(line) as { seconds?: number }).seconds);
  const all = steps.reduce<number>((sum, one = 0) => sum + one, 0);
  assert.ok(Math.abs(seconds - all) < 1e-6, `${seconds} seconds of ${all}`);
  const { begun: _then, ...same } = await runRecord(whole);
  assert.deepEqual(settings, same);
  for (const name of ["run.json", "training.json", "README.md", "config.json", "metrics.jsonl"])
    assert.ok(!(await readFile(join(whole, name), "utf8")).includes(directory), name);
  const card = await readFile(join(whole, "README.md"), "utf8");
  assert.match(card, /^# whole$/m);
});

test("Ctrl-C saves the very step it stopped at", async () => {
  const out = join(directory, "interrupted");
  const ending = await run(out, { until: "step 10", signal: "SIGINT" });
  assert.notEqual(ending.code, 0);
  const steps = ending.lines.filter((line) => line.startsWith("step ")).length;
  assert.equal(
    ending.lines.findLast((line) => line.startsWith("checkpoint ")),
    `checkpoint ${steps}`,
  );
  const refused = await run(out);
  assert.match(refused.lines.join("\n"), /unfinished run \(step \d+\); go on with --resume/);
  assert.equal((await run(out, { resume: true })).code, 0);
  assert.deepEqual(await history(out), await history(whole));
});

test("a run that has not ended says so, and its checkpoint opens like any model", async () => {
  const out = join(directory, "unfinished");
  await run(out, { until: "checkpoint 24" });
  const newest = (await readdir(join(out, "checkpoints"))).filter((name) =>
    /^step-\d+$/.test(name),
  );
  await assert.rejects(
    loadModel(out),
    /unfinished: expected a model directory, it is an unfinished run, at step \d+; .*--resume, or open .*checkpoints.step-/,
  );
  assert.ok(newest.includes("step-000000024"), newest.join(" "));
  const line = (await history(out))
    .map((text) => JSON.parse(text) as { step: number; validBitsPerByte?: number })
    .find(({ step, validBitsPerByte }) => step === 24 && validBitsPerByte !== undefined);
  await using model = await loadModel(join(out, "checkpoints", "step-000000024"));
  const { bitsPerByte: found } = await bitsPerByte(model, readPart([data], "valid"));
  const expected = line!.validBitsPerByte!;
  assert.ok(Math.abs(found - expected) < 1e-5, `${found}, the log says ${expected}`);
  const empty = join(directory, "no-checkpoint-yet");
  await mkdir(empty);
  await writeFile(join(empty, "metrics.jsonl"), "");
  await assert.rejects(loadModel(empty), /it is a run that has no checkpoint yet/);
});

test("a finished model is not trained over", async () => {
  const ending = await run(whole, { resume: true });
  assert.match(ending.lines.join("\n"), /already holds a finished model/);
});

test("the trained model loads, writes, scores, and has use for its memory", async () => {
  await using model = await loadModel(whole);
  const text = (await readFile(data, "utf8")).slice(-5000);
  const on = await bitsPerByte(model, [{ text }]);
  const off = await bitsPerByte(model, [{ text }], { memory: false });
  assert.ok(on.bitsPerByte < off.bitsPerByte, `${on.bitsPerByte} on, ${off.bitsPerByte} off`);
  assert.ok(on.bitsPerByte < 4.5, `${on.bitsPerByte} bits per byte`);
  const write = async (memory: boolean): Promise<string> => {
    let written = "";
    for await (const piece of generateText(model, "ROMEO:", { maxTokens: 20, seed: 1, memory }))
      written += piece;
    return written;
  };
  assert.notEqual(await write(true), "");
  assert.equal(await write(true), await write(true));
  assert.notEqual(await write(true), await write(false));
});

test("the model keeps how often each row was used, and a small cache warmed with it has more hits and the same answers", async () => {
  await using files = await openModelDirectory(whole);
  const codes = await files.read("model.layers.1.engram.counts");
  const uses = codes.reduce((sum, code) => sum + countOfCode(code), 0);
  // 40 steps of 2 passes of 4 texts of 32 tokens, 4 rows each; counts above 32 are right on average only.
  const expected = 40 * 2 * 4 * 32 * 4;
  assert.ok(Math.abs(uses / expected - 1) < 0.1, `${uses} of ${expected}`);
  const text = (await readFile(data, "utf8")).slice(-400);
  const answers: Float32Array[] = [];
  const rates: number[] = [];
  for (const warm of [false, true]) {
    // About a quarter of the table.
    const options = { backend: referenceBackend(), tableMemory: 36_000, warm };
    await using model = await loadModel(whole, options);
    await model.warmed;
    const { warmedRows } = model.memoryReport!.cache!;
    assert.equal(warmedRows > 100, warm, `${warmedRows} rows warmed`);
    const session = model.createSession();
    for (const id of (await model.tokenizer.encode(text)).slice(0, 24))
      answers.push((await session.append([id])).logits.slice());
    const { hits, misses, joined, prefetchHits } = model.memoryReport!.cache!;
    rates.push(hits / (hits + misses + joined + prefetchHits));
  }
  assert.deepEqual(answers.slice(24), answers.slice(0, 24));
  assert.ok(rates[1]! > rates[0]! + 0.1, `hits ${rates[0]} without counts, ${rates[1]} with`);
});

test("the walk of example 01 goes from text to the next token", async () => {
  const example = fileURLToPath(new URL("../../examples/01-next-token.ts", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [example, whole, "ROMEO: what"]);
  const rows = /rows of the last token +([\d ]+)\n/.exec(stdout)?.[1]?.split(" ").map(Number);
  assert.equal(rows?.length, 4, stdout);
  assert.match(stdout, /next token +\d+ ".+"/);
});

test("the oracle backend finds the same likelihood for the trained model", async () => {
  const text = "First Citizen:\nBefore we proceed any further, hear me speak.\n";
  await using fast = await loadModel(whole);
  await using slow = await loadModel(whole, { backend: referenceBackend() });
  const a = await bitsPerByte(fast, [{ text }]);
  const b = await bitsPerByte(slow, [{ text }]);
  assert.ok(
    Math.abs(a.bitsPerByte - b.bitsPerByte) < 1e-4,
    `${a.bitsPerByte} and ${b.bitsPerByte}`,
  );
  assert.equal(a.tokens, b.tokens);
});
