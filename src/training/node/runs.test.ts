import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { InvalidConfigError } from "../../errors.ts";
import { checkRunDirectory, openRuns } from "./runs.ts";

const root = await mkdtemp(join(tmpdir(), "engram-runs-"));
after(() => rm(root, { recursive: true, force: true }));

async function makeRun(
  name: string,
  files: Readonly<Record<string, readonly object[]>>,
): Promise<string> {
  const path = join(root, name);
  await mkdir(path, { recursive: true });
  for (const [file, lines] of Object.entries(files))
    await writeFile(join(path, file), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  return path;
}

const steps = (from: number, to: number): object[] =>
  Array.from({ length: to - from + 1 }, (_, i) => ({
    step: from + i,
    loss: 10 / (from + i),
    gates: { 1: 0.5, 3: 0.25 },
    numTokens: 100,
    tokensPerSecond: 50,
  }));

test("a summary follows a run from nothing over its steps and a cut to its end", async () => {
  const path = await makeRun("going", {});
  const [run] = openRuns([path]);
  const nothing = await run!.summary();
  assert.deepEqual([nothing.state, nothing.step, nothing.loss], ["empty", 0, undefined]);

  const head = { step: 0, steps: 400, numParams: 7, numRows: 9 };
  await makeRun("going", { "metrics.jsonl": [head, ...steps(1, 3)] });
  const going = await run!.summary();
  assert.deepEqual(
    [going.state, going.step, going.steps, going.tokens, going.seconds, going.numParams],
    ["running", 3, 400, 300, 6, 7],
  );
  assert.ok(Math.abs(going.loss! - (10 + 5 + 10 / 3) / 3) < 1e-12);
  assert.deepEqual(going.gates, { 1: 0.5, 3: 0.25 });
  assert.equal(going.tokensPerSecond, 50);

  const timed = steps(2, 4).map((line) => ({ ...line, seconds: 0.5 }));
  const valid = { step: 4, validBitsPerByte: 2.5, sample: "so" };
  await makeRun("going", { "metrics.jsonl": [head, ...steps(1, 1), ...timed, valid] });
  const resumed = await run!.summary();
  assert.deepEqual(
    [resumed.step, resumed.tokens, resumed.seconds, resumed.validBitsPerByte, resumed.validStep],
    [4, 400, 3.5, 2.5, 4],
  );
  assert.deepEqual(await run!.summary(), resumed, "asking again changes nothing");

  await makeRun("going", {
    "training.json": [
      {
        steps: 4,
        bitsPerByte: 2.25,
        bitsPerByteWithoutMemory: 2.5,
        bitsPerByteTrainedWithout: 2.375,
      },
    ],
  });
  const finished = await run!.summary();
  assert.deepEqual(
    [
      finished.state,
      finished.validBitsPerByte,
      finished.bitsPerByteWithoutMemory,
      finished.bitsPerByteTrainedWithout,
      finished.steps,
    ],
    ["finished", 2.25, 2.5, 2.375, 4],
  );
});

test("the loss of a summary is the mean of the last fifty steps", async () => {
  const [run] = openRuns([await makeRun("long", { "metrics.jsonl": steps(1, 200) })]);
  const { loss } = await run!.summary();
  const expected =
    Array.from({ length: 50 }, (_, i) => 10 / (151 + i)).reduce((a, b) => a + b) / 50;
  assert.ok(Math.abs(loss! - expected) < 1e-12);
});

test("a log that has been quiet for long is a run that stopped", async () => {
  const path = await makeRun("quiet", { "metrics.jsonl": steps(1, 2) });
  const before = new Date(Date.now() - 3_600_000);
  await utimes(join(path, "metrics.jsonl"), before, before);
  const summary = await openRuns([path])[0]!.summary();
  assert.equal(summary.state, "stopped");
  assert.ok(Math.abs(summary.updatedAt! - before.getTime()) < 2);
});

test("summaries that are asked for together agree", async () => {
  const [run] = openRuns([await makeRun("together", { "metrics.jsonl": steps(1, 500) })]);
  const all = await Promise.all([run!.summary(), run!.summary(), run!.summary()]);
  for (const { tokens, step } of all) assert.deepEqual([tokens, step], [50_000, 500]);
});

test("runs are told apart by their names, and one that is named twice is there once", async () => {
  const [a, b, other] = await Promise.all(["x/tiny", "y/tiny", "small"].map((n) => makeRun(n, {})));
  const runs = openRuns([a!, b!, other!, `${other!}/`, join(root, "x", ".", "tiny")]);
  assert.equal(runs.length, 3);
  assert.equal(new Set(runs.map(({ name }) => name)).size, 3);
  assert.equal(runs[2]!.name, "small");
  // No more of a path than tells it from the others: a server shows names to whoever asks.
  assert.equal(runs[0]!.name, "x/tiny");
});

test("a directory that is not there, or is a file, is refused by name", async () => {
  const path = await makeRun("file", { "metrics.jsonl": [] });
  await assert.rejects(checkRunDirectory(join(path, "metrics.jsonl")), InvalidConfigError);
  await assert.rejects(checkRunDirectory(join(path, "no")), /there is no directory/);
  await checkRunDirectory(path);
});
