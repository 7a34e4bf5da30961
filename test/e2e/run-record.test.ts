/** What is kept of how a model was trained, by the command line: run.json, its card, `show`, `dash`. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { engram } from "../engram.ts";
import { findPreset } from "../../src/training/index.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "engram-record-"));
after(() => rmSync(scratch, { recursive: true }));
process.chdir(scratch);

/** The smallest run there is: a second or two. */
const small = [
  "--preset",
  "tiny",
  "--steps",
  "2",
  "--batch",
  "1",
  "--context",
  "16",
  "--threads",
  "1",
];
const sizes = [
  "vocabSize=300",
  "numLayers=2",
  "hiddenSize=32",
  "intermediateSize=32",
  "minBucketRows=50,50",
  "layerIds=1",
];

before(async () => {
  const play = readFileSync(join(root, "assets/tinyshakespeare.txt"), "utf8");
  writeFileSync(join(scratch, "play.txt"), play.slice(0, 8000));
  const lines = play
    .slice(0, 8000)
    .split("\n")
    .filter((line) => line.length > 20);
  writeFileSync(
    join(scratch, "lines.ndjson"),
    lines.map((line) => JSON.stringify({ text: line })).join("\n"),
  );
  for (const words of [
    ["--data", join(scratch, "play.txt"), "--out", join(scratch, "a"), "--set", ...sizes],
    [
      "--data",
      "lines.ndjson",
      "--valid",
      "play.txt",
      "--out",
      "b",
      "--lr",
      "1e-3",
      "--set",
      ...sizes,
    ],
  ]) {
    const { status, stderr } = await engram("train", ...words, ...small);
    assert.equal(status, 0, stderr);
  }
});

test("options change the preset's numbers, and the record says all of them", () => {
  const record = JSON.parse(readFileSync(join(scratch, "b/run.json"), "utf8"));
  assert.deepEqual(record.overrides, {
    "training.steps": 2,
    "training.lr": 0.001,
    "training.batch": 1,
    "training.length": 16,
    "model.maxPositions": 16,
    vocabSize: 300,
    "model.numLayers": 2,
    "model.hiddenSize": 32,
    "model.intermediateSize": 32,
    "memory.minBucketRows": [50, 50],
    "memory.layerIds": [1],
  });
  assert.deepEqual(
    [record.training.lr, record.training.length, record.preset],
    [0.001, 16, "tiny"],
  );
  assert.deepEqual(record.counted, findPreset("tiny").counted);
  assert.equal(record.holdOut, undefined);
  assert.equal(record.valid[0].name, "play.txt");
  const config = JSON.parse(readFileSync(join(scratch, "b/config.json"), "utf8"));
  assert.deepEqual([config.hidden_size, config.max_position_embeddings], [32, 16]);
});

test("no file of a model says where it was trained", () => {
  for (const name of ["run.json", "README.md", "training.json", "config.json", "metrics.jsonl"])
    assert.ok(!readFileSync(join(scratch, "a", name), "utf8").includes(tmpdir()), name);
  const { command } = JSON.parse(readFileSync(join(scratch, "a/run.json"), "utf8"));
  assert.match(
    command,
    /^engram train --data play\.txt --preset tiny --out a --steps 2 .*--set vocabSize=300 /,
  );
});

test("show tells how a model was trained, and a damaged record is no reason to refuse", async () => {
  const { stdout } = await engram("show", "b");
  assert.match(stdout, /^ {2}by {7}engram train --data lines\.ndjson /m);
  assert.match(stdout, /^ {2}text {5}lines\.ndjson \(\d+ bytes, sha256 [0-9a-f]{12}\)$/m);
  const { run } = JSON.parse((await engram("show", "b", "--json")).stdout);
  assert.equal(run.training.lr, 0.001);
  const file = join(scratch, "a/run.json");
  const sound = readFileSync(file, "utf8");
  writeFileSync(
    file,
    JSON.stringify({ version: 1, begun: "\u001b[2J\u009b1m\u202e gone", command: 5 }),
  );
  const hostile = (await engram("show", "a")).stdout;
  assert.match(hostile, /^trained {4}\ufffd\[2J\ufffd1m\ufffd gone$/m);
  writeFileSync(file, sound.slice(0, 40));
  const damaged = await engram("show", "a");
  assert.equal(damaged.status, 0, damaged.stderr);
  assert.match(damaged.stderr, /run\.json is not JSON/);
  writeFileSync(file, sound);
});

test("a model that is made of another keeps how that was made", async () => {
  const { status, stderr } = await engram("quantize", "b", "--dtype", "q4", "--out", "b-q4");
  assert.equal(status, 0, stderr);
  const record = (model: string): string => readFileSync(join(scratch, model, "run.json"), "utf8");
  assert.equal(record("b-q4"), record("b"));
  assert.match(
    readFileSync(join(scratch, "b-q4/README.md"), "utf8"),
    /\n## Quantised\n\nWeights as q4, rows as f32: /,
  );
  assert.match((await engram("verify", "b-q4")).stdout, /run\.json .*whole/);
});

test("dash tells in what runs differ, and in nothing else", async () => {
  const { runs, differences } = JSON.parse((await engram("dash", "a", "b", "--json")).stdout);
  assert.equal(runs[0].settings["training.lr"], "0.003");
  const found = new Map<string, unknown>(
    differences.map(({ setting, values }: { setting: string; values: unknown }) => [
      setting,
      values,
    ]),
  );
  assert.deepEqual(found.get("training.lr"), ["0.003", "0.001"]);
  assert.deepEqual([...found.keys()].toSorted(), [
    "data",
    "holdOut",
    "tokenizer.sha256",
    "tokens.train",
    "tokens.valid",
    "training.lr",
    "valid",
  ]);
});

test("a card that somebody took over stays", async () => {
  const out = join(scratch, "own");
  mkdirSync(out);
  writeFileSync(join(out, "README.md"), "# Mine\n");
  const { status, stderr } = await engram(
    "train",
    "--data",
    "play.txt",
    "--out",
    "own",
    "--set",
    ...sizes,
    ...small,
  );
  assert.equal(status, 0, stderr);
  assert.equal(readFileSync(join(out, "README.md"), "utf8"), "# Mine\n");
});

test("a card that somebody edited is no damage, and a missing one is", async () => {
  const card = join(scratch, "own", "README.md");
  writeFileSync(card, "# Mine, and better\n");
  const edited = await engram("verify", "own");
  assert.equal(edited.status, 0, edited.stderr);
  assert.match(edited.stdout, /^README\.md .* bytes, edited$/m);
  assert.match(edited.stdout, /files are what was saved; the model card was edited/);
  rmSync(card);
  const missing = await engram("verify", "own");
  assert.equal(missing.status, 1);
  assert.match(missing.stderr, /README\.md/);
});

test("what cannot be trained is refused before a tokenizer is", async () => {
  for (const [words, expected] of [
    [["--data", "play.txt", "--valid", "none.txt"], /none\.txt: no such file/],
    [["--data", "play.txt", "--set", "lrr=1"], /unknown setting "lrr"; there are: vocabSize, /],
    [["--data", "play.txt", "--set", "numKvHeads=4"], /must be a multiple of num_key_value_heads/],
    [["--data", "play.txt", "--set", "maxPositions=8"], /maxPositions is given twice/],
    [["--data", "play.txt", "--set", "lr"], /expected NAME=VALUE/],
    [["--data", "play.txt", "--tokenizer", "none.json"], /none\.json: no such file/],
  ] as const) {
    const { status, stderr } = await engram("train", ...words, "--out", "never", ...small);
    assert.equal(status, 2, stderr);
    assert.match(stderr, expected);
    assert.doesNotMatch(stderr, /training a tokenizer/);
    assert.ok(!existsSync(join(scratch, "never")));
  }
});

test("a loss that is no number names options that exist", async () => {
  const { status, stderr } = await engram(
    "train",
    "--data",
    "play.txt",
    "--out",
    "nan",
    "--lr",
    "1e30",
    "--steps",
    "9",
    "--set",
    ...sizes,
    ...small.filter((word, i) => !(word === "--steps" || small[i - 1] === "--steps")),
  );
  assert.equal(status, 1, stderr);
  assert.match(stderr, /lower --lr \(it was 1e\+30\)/);
});
