/** `engram train` as a process that is told to stop: whatever tells it, and however often, the step it is at is saved. */
import assert from "node:assert/strict";
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import test, { after } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { checkCheckpoint, findCheckpoints } from "../../src/checkpoint/node/index.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "engram-stop-"));
after(() => rmSync(scratch, { recursive: true }));
const text = join(scratch, "play.txt");
writeFileSync(
  text,
  readFileSync(join(root, "assets/tinyshakespeare.txt"), "utf8").slice(0, 30_000),
);

type Training = ChildProcessByStdio<null, Readable, Readable>;

/** A training that has done its first steps, and will not end by itself. */
async function training(out: string): Promise<Training> {
  const words = ["--data", text, "--preset", "tiny", "--batch", "1", "--steps", "100000"];
  const main = join(root, "src/cli/main.ts");
  const child = spawn(process.execPath, [main, "train", ...words, "--out", out], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const metrics = join(out, "metrics.jsonl");
  while (child.exitCode === null) {
    if (existsSync(metrics) && readFileSync(metrics, "utf8").includes('"step":2,')) return child;
    await sleep(20);
  }
  throw new Error("the training ended");
}

async function hasSavedItsLastStep(out: string): Promise<void> {
  const [checkpoint, ...others] = await findCheckpoints(join(out, "checkpoints"));
  assert.ok(checkpoint !== undefined && others.length === 0);
  await checkCheckpoint(checkpoint);
  const last = readFileSync(join(out, "metrics.jsonl"), "utf8").trimEnd().split("\n").at(-1)!;
  assert.equal(checkpoint.step, JSON.parse(last).step);
  assert.ok(!existsSync(join(out, "training.lock")));
}

test("a second Ctrl-C right after the first does not keep it from saving, and that it saves is said", async () => {
  const out = join(scratch, "twice");
  const child = await training(out);
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (part: string) => (said += part));
  child.kill("SIGINT");
  await sleep(50);
  child.kill("SIGINT");
  const [code] = await once(child, "close");
  assert.equal(code, 130, said);
  assert.match(said, /saving; once more to stop at once\n/);
  assert.match(said, /stopped; go on with: .* --resume/);
  await hasSavedItsLastStep(out);
});

test("a terminal that is closed, and takes every stream with it, leaves the step saved", async (t) => {
  if (process.platform === "win32") return t.skip("needs SIGHUP");
  const out = join(scratch, "closed");
  const child = await training(out);
  child.stdout.destroy();
  child.stderr.destroy();
  child.kill("SIGHUP");
  const [code] = await once(child, "exit");
  assert.equal(code, 130);
  await hasSavedItsLastStep(out);
});
