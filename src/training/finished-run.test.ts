import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { finishedRun } from "./finished-run.ts";
import { openRuns } from "./node/index.ts";

const folder = fileURLToPath(new URL("../../assets/english", import.meta.url));
const file = (name: string): Promise<Buffer> => readFile(`${folder}/${name}`);
const text = async (name: string): Promise<string> => (await file(name)).toString();
const log = await file("metrics.jsonl");

test("a run by its files is what it is on a disk, and is read once", async () => {
  const there = openRuns([folder])[0]!;
  const run = finishedRun("english", {
    log,
    record: await text("run.json"),
    result: await text("training.json"),
  });
  const summary = await run.summary();
  const { updatedAt: _, ...expected } = await there.summary();
  assert.deepEqual(
    { ...summary, updatedAt: undefined },
    { ...expected, path: "", updatedAt: undefined },
  );
  // As its model card has it.
  assert.deepEqual([summary.state, summary.steps, summary.numRows], ["finished", 1600, 300_666]);
  assert.equal(summary.validBitsPerByte?.toFixed(3), "1.497");
  assert.ok(Object.keys(summary.settings).includes("training.lr"));
  const first = await run.read({ cursor: "" });
  assert.deepEqual(first.lines, (await there.read()).lines);
  assert.deepEqual([first.isRestart, first.isEnd], [false, true]);
  const later = await run.read({ cursor: first.cursor });
  assert.deepEqual([later.lines, later.isRestart, later.isEnd], [[], false, true]);
  const other = await run.read({ cursor: "7.1" });
  assert.deepEqual([other.lines.length, other.isRestart], [first.lines.length, true]);
});

test("without a result it is stopped, and what cannot be read says nothing", async () => {
  const run = finishedRun("x", { log, record: "[]", result: "{" });
  const { state, settings, validBitsPerByte } = await run.summary();
  assert.deepEqual([state, settings], ["stopped", {}]);
  assert.ok(validBitsPerByte !== undefined, "that of the last validation in the log");
  const empty = finishedRun("x", { log: Buffer.from("null\n7\n{\n") });
  assert.equal((await empty.summary()).state, "empty");
  assert.deepEqual((await empty.read({ cursor: "" })).lines, []);
});
