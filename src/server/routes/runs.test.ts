import assert from "node:assert/strict";
import { appendFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import test, { after } from "node:test";
import { openRuns } from "../../training/node/index.ts";
import { createDashboard } from "../index.ts";

const directory = await mkdtemp(join(tmpdir(), "engram-runs-"));
after(() => rm(directory, { recursive: true, force: true }));
const file = join(directory, "metrics.jsonl");
const server = createDashboard({ runs: openRuns([directory]), version: "0.0.1" });

// oxlint-disable-next-line typescript/no-explicit-any -- tests look into documents of many shapes
async function ask(path: string): Promise<any> {
  const response = await server.fetch(new Request(`http://engram${path}`));
  return { status: response.status, ...((await response.json()) as object) };
}

const line = (step: number): string =>
  `${JSON.stringify({ step, loss: 5 / step, gates: { 1: 0.5 }, numTokens: 8, seconds: 0.25 })}\n`;

test("a run's summary and lines are its log's, and a cursor goes on where the last answer stopped", async () => {
  await writeFile(file, `{"step":0,"steps":9,"numParams":5,"numRows":3}\n${line(1)}${line(2)}`);
  const { runs } = await ask("/engram/runs");
  const [run] = runs;
  assert.deepEqual(
    [run.name, run.state, run.step, run.steps, run.tokens, run.seconds, run.num_rows, run.gates],
    [basename(directory), "running", 2, 9, 16, 0.5, 3, { 1: 0.5 }],
  );
  assert.deepEqual(
    [run.loss, run.valid_bits_per_byte, run.bits_per_byte_without_memory],
    [3.75, null, null],
  );
  const name = encodeURIComponent(run.name);
  const first = await ask(`/engram/runs/log?run=${name}`);
  assert.deepEqual([first.lines.length, first.restart, first.end], [3, false, true]);
  assert.deepEqual(first.lines[2], JSON.parse(line(2)));
  await appendFile(file, `${line(3)}${line(4).slice(0, 20)}`);
  const second = await ask(`/engram/runs/log?run=${name}&cursor=${first.cursor}`);
  assert.deepEqual(
    second.lines.map(({ step }: { step: number }) => step),
    [3],
  );
  await writeFile(file, line(1));
  const cut = await ask(`/engram/runs/log?run=${name}&cursor=${second.cursor}`);
  assert.deepEqual([cut.restart, cut.lines.length], [true, 1]);
});

test("a run that is not there, and what is no cursor, are refused", async () => {
  assert.deepEqual((await ask("/engram/runs/log")).error.param, "run");
  const unknown = await ask("/engram/runs/log?run=other");
  assert.deepEqual([unknown.status, unknown.error.code], [404, "unknown_run"]);
  const [{ name }] = (await ask("/engram/runs")).runs;
  assert.equal(
    (await ask(`/engram/runs/log?run=${encodeURIComponent(name)}&cursor=x`)).status,
    400,
  );
});

test("a dashboard has no model, and says so where one is asked for", async () => {
  assert.equal((await ask("/health")).status, "ok");
  assert.equal((await ask("/version")).version, "0.0.1");
  assert.deepEqual((await ask("/props")).model, null);
  for (const path of ["/v1/models", "/engram/memory"]) {
    const { status, error } = await ask(path);
    assert.deepEqual([status, error.code], [404, "no_model"], path);
    assert.match(error.message, /engram serve/);
  }
  assert.equal((await ask("/nothing")).error.code, "unknown_route");
});
