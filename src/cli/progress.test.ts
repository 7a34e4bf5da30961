/** Progress with a clock of its own: when lines are rewritten, when kept, and what they say. */
import assert from "node:assert/strict";
import test from "node:test";
import { createProgress, formatDuration, formatTrainingStatus } from "./progress.ts";

function record(isTTY: boolean, env: Record<string, string> = {}) {
  let text = "";
  let time = 0;
  const stream = { isTTY, columns: 24, write: (part: string) => void (text += part) };
  const progress = createProgress(stream, { env, now: () => time });
  return { progress, wait: (ms: number) => void (time += ms), written: () => text };
}

test("on a terminal the line rewrites itself, at most ten times a second", () => {
  const { progress, wait, written } = record(true);
  progress.update("1");
  progress.update("2");
  wait(100);
  progress.update("3");
  progress.end();
  assert.equal(written(), "\r\u001b[2K1\r\u001b[2K3\r\u001b[2K3\n");
});

test("a line wider than the terminal is cut, so that it can be erased", () => {
  const { progress, written } = record(true);
  progress.update("x".repeat(50));
  assert.equal(written(), `\r\u001b[2K${"x".repeat(22)}…`);
});

test("a note stands above the live line", () => {
  const { progress, written } = record(true);
  progress.note("first");
  progress.update("1");
  progress.note("saved");
  assert.equal(written(), "first\n\r\u001b[2K1\r\u001b[2Ksaved\n\r\u001b[2K1");
});

test("without a terminal there are plain lines, at intervals, and the last state stays", () => {
  const { progress, wait, written } = record(false);
  progress.update("1");
  progress.update("2");
  wait(5000);
  progress.update("3");
  progress.update("4");
  progress.note("saved");
  progress.update("5");
  progress.end();
  progress.end();
  assert.equal(written(), "1\n3\n4\nsaved\n5\n");
});

test("NO_COLOR, CI and a dumb terminal get plain lines", () => {
  for (const env of [{ NO_COLOR: "1" }, { CI: "true" }, { TERM: "dumb" }]) {
    const { progress, written } = record(true, env);
    progress.update("1");
    assert.equal(written(), "1\n");
  }
  const { progress, written } = record(true, { NO_COLOR: "", CI: "" });
  progress.update("1");
  assert.ok(written().includes("\u001b"));
});

test("a training step is one line with what a reader asks first", () => {
  const status = { step: 120, steps: 600, loss: 4.2131, tokensPerSecond: 9870.4, secondsLeft: 161 };
  assert.equal(
    formatTrainingStatus({
      ...status,
      validationBitsPerByte: 2.8712,
      gates: [
        { layer: 1, mean: 0.481 },
        { layer: 3, mean: 0.5 },
      ],
    }),
    "120/600  loss 4.213  valid 2.871 bpb  gate L1 0.48 L3 0.50  9,870 tok/s  2:41 left",
  );
  assert.equal(
    formatTrainingStatus({ ...status, gates: [] }),
    "120/600  loss 4.213  9,870 tok/s  2:41 left",
  );
});

test("durations read as clocks do", () => {
  assert.deepEqual([5, 754.4, 3723, Infinity, -1].map(formatDuration), [
    "0:05",
    "12:34",
    "1:02:03",
    "?",
    "0:00",
  ]);
});
