/** What lies in a study's directory as somebody else may have left it. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { FormatError } from "../../errors.ts";
import { Random } from "../../numerics/index.ts";
import { readRegistration } from "./registration.ts";
import { readResult, trainedResult, writeResult } from "./results.ts";

const out = await mkdtemp(join(tmpdir(), "engram-results-"));
after(() => rm(out, { recursive: true }));

const run = { arm: "a", seed: 1, study: "0".repeat(64) };
const whole = {
  ...run,
  measured: { bitsPerByte: 2, bitsPerByteWithoutMemory: 2.5, tasks: { "x/acc,none": 0.5 } },
  versions: { node: "24" },
  machine: { platform: "x" },
  steps: 5,
  seconds: 1,
  curve: [[1, 2]],
};

/** Values that are none of those expected, at any place of a document. */
const odd = [null, -1, "x", [], [null], {}, true, "__proto__"];

/** `value` with one place of it replaced, and the path. */
function damaged(value: unknown, random: Random): unknown {
  if (typeof value !== "object" || value === null || random.int(4) === 0)
    return odd[random.int(odd.length)];
  const names = Object.keys(value);
  const name = names[random.int(names.length)];
  if (name === undefined) return odd[random.int(odd.length)];
  const copy: Record<string, unknown> = Array.isArray(value)
    ? ([...value] as never)
    : { ...(value as object) };
  copy[name] = damaged(copy[name], random);
  return copy;
}

test("a damaged result is refused as one, or is one all the same", async () => {
  await writeResult(out, whole as never);
  const file = join(out, "results", "a-1.json");
  const random = Random.fromSeed(14);
  let refused = 0;
  for (let i = 0; i < 400; i++) {
    await writeFile(file, JSON.stringify(damaged(whole, random)));
    try {
      const { measured, failed, curve = [] } = (await readResult(out, run))!;
      if (measured === undefined) assert.equal(typeof failed, "string");
      else
        for (const figure of [measured.bitsPerByte, ...Object.values(measured.tasks ?? {})])
          assert.ok(Number.isFinite(figure));
      for (const [step, bits] of curve) assert.ok(Number.isFinite(step + bits));
    } catch (error) {
      assert.ok(error instanceof FormatError, String(error));
      refused++;
    }
  }
  assert.ok(refused > 200, `${refused}`);
});

test("a run's figures and a registration of another kind are refused by their file", async () => {
  const directory = join(out, "runs", "a-1");
  await mkdir(directory, { recursive: true });
  for (const found of [null, [], "x", {}, { bitsPerByte: "2" }]) {
    await writeFile(join(directory, "training.json"), JSON.stringify(found));
    await assert.rejects(
      trainedResult(out, { ...run, files: [] }),
      /training\.json: expected the figures of a finished run/,
    );
  }
  for (const registered of [null, [], {}, { study: {}, arms: {}, files: [null] }]) {
    await writeFile(join(out, "study.json"), JSON.stringify({ version: 1, registered }));
    await assert.rejects(readRegistration(out), /study\.json: expected the registration/);
  }
});
