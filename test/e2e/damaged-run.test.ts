/**
 * Runs that are resumed after something happened to their files: the newest whole checkpoint serves, what was wrong
 * with others is said, and what cannot go on is refused with nothing changed.
 */
import assert from "node:assert/strict";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { FormatError, InvalidConfigError, ortBackend } from "../../src/index.ts";
import { trainModel } from "../../src/index-training.ts";
import { miniPreset } from "../models/mini-preset.ts";

const sample = readFileSync(new URL("../../assets/tinyshakespeare.txt", import.meta.url), "utf8");
const scratch = mkdtempSync(join(tmpdir(), "engram-damaged-"));
const data = join(scratch, "text.txt");
writeFileSync(data, sample.slice(0, 20_000));
const backend = ortBackend({ threads: 1 });
after(async () => {
  await backend.dispose();
  rmSync(scratch, { recursive: true });
});

/** For two tables of 24,000 rows: the rows of two steps fit. */
const bytes = 688_000;
const preset = {
  ...miniPreset,
  memory: { ...miniPreset.memory, layerIds: [0, 1], minBucketRows: [4000, 8000] },
};

/** Trains 8 steps, with checkpoints at 3, 6 and where it is stopped. Returns what was said. */
async function train(
  out: string,
  options: { resume?: boolean; stopAt?: number; tableMemory?: number } = {},
): Promise<string[]> {
  const { resume = false, stopAt, tableMemory } = options;
  const said: string[] = [];
  const controller = new AbortController();
  const running = trainModel({
    data: [data],
    preset,
    out,
    backend,
    resume,
    overrides: { steps: 8 },
    checkpointEvery: 3,
    ...(tableMemory !== undefined && { tableMemory }),
    signal: controller.signal,
    onEvent: (event) => {
      if (event.type === "phase") said.push(event.text);
      if (event.type === "step" && event.report.step === stopAt) controller.abort();
    },
  });
  if (stopAt === undefined) await running;
  else await assert.rejects(running, { name: "AbortError" });
  return said;
}

function contentsOf(directory: string): Map<string, string> {
  const names = readdirSync(directory, { recursive: true, encoding: "utf8" });
  const files = names.filter((name) => statSync(join(directory, name)).isFile());
  return new Map(files.map((name) => [name, readFileSync(join(directory, name), "latin1")]));
}

function flip(file: string, at = Math.floor(statSync(file).size / 2)): void {
  const contents = readFileSync(file);
  contents[at]! ^= 1;
  writeFileSync(file, contents);
}

const modelFiles = [
  "config.json",
  "model.safetensors",
  "model-engram-00001-of-00002.safetensors",
  "model-engram-00002-of-00002.safetensors",
];
const [newest, older] = ["checkpoints/step-000000007", "checkpoints/step-000000006"];
const whole = join(scratch, "whole");
const stopped = { ram: join(scratch, "ram"), disk: join(scratch, "disk") };

before(async () => {
  await train(whole);
  await train(stopped.ram, { stopAt: 7 });
  await train(stopped.disk, { stopAt: 7, tableMemory: bytes });
});

let count = 0;
function copyOf(run: keyof typeof stopped): string {
  const copy = join(scratch, `copy-${count++}`);
  cpSync(stopped[run], copy, { recursive: true });
  return copy;
}

async function endsAsWell(out: string, tableMemory?: number): Promise<string[]> {
  const said = await train(out, { resume: true, ...(tableMemory && { tableMemory }) });
  for (const name of modelFiles)
    assert.ok(readFileSync(join(out, name)).equals(readFileSync(join(whole, name))), name);
  return said;
}

for (const name of [
  "state.json",
  "config.json",
  "tokenizer.json",
  "model.safetensors",
  "state.safetensors",
  "manifest.json",
])
  test(`a flipped byte in ${name} of the newest checkpoint: the older one serves, and why is said`, async () => {
    const out = copyOf("ram");
    flip(join(out, newest, name));
    const said = (await endsAsWell(out)).join("\n");
    assert.match(said, new RegExp(`passed over: .*${newest}.${name}: expected .*, found`));
    assert.match(said, /going on from step 6/);
  });

test("a lost file, a cut file and a lost manifest are no different", async () => {
  for (const hurt of [
    (path: string) => rmSync(join(path, "tokenizer.json")),
    (path: string) => truncateSync(join(path, "state.safetensors"), 1000),
    (path: string) => rmSync(join(path, "manifest.json")),
  ]) {
    const out = copyOf("ram");
    hurt(join(out, newest));
    assert.match((await endsAsWell(out)).join("\n"), /passed over: .*expected.*\n.*from step 6/);
  }
});

test("a checkpoint that was passed over is kept under another name, and none is removed for it", async () => {
  const out = copyOf("ram");
  flip(join(out, newest, "state.json"));
  const damaged = readFileSync(join(out, newest, "state.json"));
  // It goes on from step 6, and saves one step later.
  await train(out, { resume: true, stopAt: 7 });
  assert.deepEqual(readdirSync(join(out, "checkpoints")).toSorted(), [
    "step-000000006",
    "step-000000007",
    "step-000000007.damaged",
  ]);
  const aside = join(out, `${newest}.damaged`, "state.json");
  assert.ok(readFileSync(aside).equals(damaged));
  assert.match((await endsAsWell(out)).join("\n"), /going on from step 7/);
});

test("out of core, damage to the older checkpoint does not hold up the newer one, and is said", async () => {
  const out = copyOf("disk");
  flip(join(out, older, "state.json"));
  const said = (await endsAsWell(out, bytes)).join("\n");
  assert.match(said, new RegExp(`passed over: .*${older}.state.json: expected`));
  assert.match(said, /going on from step 7/);
});

test("a damaged record that only the newest checkpoint refers to costs that checkpoint alone", async () => {
  const out = copyOf("disk");
  const log = join(out, "checkpoints", "layer-1.rows");
  // The last record was written in the last step.
  flip(log, statSync(log).size - 20);
  const said = (await endsAsWell(out, bytes)).join("\n");
  assert.match(
    said,
    /passed over: .*layer-1\.rows: expected row \d+ .* in bytes \d+ to \d+, found/,
  );
  assert.match(said, /going on from step 6/);
});

test("where no checkpoint is whole, file, expected and found are said, and nothing is changed", async () => {
  for (const [run, tableMemory] of [
    ["ram", undefined],
    ["disk", bytes],
  ] as const) {
    const out = copyOf(run);
    flip(join(out, newest, "state.safetensors"));
    flip(join(out, older, "tokenizer.json"));
    const untouched = contentsOf(out);
    const resuming = train(out, { resume: true, ...(tableMemory && { tableMemory }) });
    await assert.rejects(resuming, (error) => {
      assert.ok(error instanceof FormatError);
      for (const [path, name] of [
        [newest, "state.safetensors"],
        [older, "tokenizer.json"],
      ])
        assert.match(error.message, new RegExp(`${path}.${name}: expected CRC-32C .* found`));
      return true;
    });
    assert.deepEqual(contentsOf(out), untouched);
    // Without --resume they are in the way as well.
    await assert.rejects(train(out), /holds an unfinished run \(step 7\); go on with --resume/);
    assert.deepEqual(contentsOf(out), untouched);
  }
});

test("a log that is gone or another's is refused with nothing changed", async () => {
  for (const hurt of [
    rmSync,
    (log: string) => flip(log, 30),
    (log: string) => truncateSync(log, 9),
  ]) {
    const out = copyOf("disk");
    hurt(join(out, "checkpoints", "layer-1.rows"));
    const untouched = contentsOf(out);
    await assert.rejects(train(out, { resume: true, tableMemory: bytes }), /layer-1\.rows/);
    assert.deepEqual(contentsOf(out), untouched);
  }
});

test("a mistyped --out is refused, and nothing is made there", async () => {
  const out = join(scratch, "mistyped");
  const refusal = /holds no run to resume; check --out, or leave out --resume/;
  await assert.rejects(train(out, { resume: true }), refusal);
  assert.ok(!existsSync(out));
  mkdirSync(out);
  await assert.rejects(train(out, { resume: true }), refusal);
  assert.deepEqual(readdirSync(out), []);
});

test("a run that never reached a checkpoint begins at step 0, and says so", async () => {
  const out = copyOf("ram");
  rmSync(join(out, "checkpoints"), { recursive: true });
  assert.match(
    (await endsAsWell(out)).join("\n"),
    /never reached a checkpoint; beginning at step 0/,
  );
});

test("a finished run says that nothing is left to resume, and its lock goes", async () => {
  const lock = join(whole, "training.lock");
  const untouched = contentsOf(whole);
  writeFileSync(lock, '{"pid":999999999,"host":"elsewhere"}');
  await assert.rejects(train(whole, { resume: true }), /is in use by process/);
  writeFileSync(lock, "{");
  await assert.rejects(
    train(whole, { resume: true }),
    (error) =>
      error instanceof InvalidConfigError &&
      /its run ended, and nothing is left to resume/.test(error.message),
  );
  assert.deepEqual(contentsOf(whole), untouched);
});

test("a damaged record of the run is told of, and does not keep it from going on", async () => {
  const out = copyOf("ram");
  flip(join(out, "metrics.jsonl"), 20);
  const said = (await endsAsWell(out)).join("\n");
  assert.match(said, /metrics\.jsonl: expected CRC-32C .*; this record of the run is damaged/);
  assert.match(said, /going on from step 7/);
});
