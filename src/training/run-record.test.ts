import assert from "node:assert/strict";
import test from "node:test";
import { FormatError } from "../errors.ts";
import { CARD_MARK, modelCard, publicName, type RunRecord, settingsOf } from "./index.ts";
import { formatRunRecord, parseRunRecord, withResumption } from "./run-record.ts";
import { findPreset } from "./presets.ts";

const { vocabSize, model, memory, counted, training } = findPreset("tiny");
const record: RunRecord = {
  version: 1,
  begun: "2026-11-28T00:00:00.000Z",
  command: "engram train --data book.txt --preset tiny --out book",
  versions: { engram: "0.1.0", node: "24.0.0" },
  commit: "abc+",
  machine: {
    platform: "linux",
    arch: "x64",
    processor: "A | `chip`",
    processors: 2,
    memoryBytes: 8,
  },
  preset: "tiny",
  overrides: { "training.lr": 0.001 },
  vocabSize,
  model,
  memory,
  counted,
  training,
  seed: 7,
  data: [{ name: "book.txt", bytes: 1234, sha256: "ab".repeat(32) }],
  holdOut: "a tenth",
  tokens: { train: 900, valid: 100 },
  tokenizer: { sha256: "cd".repeat(32), trained: true },
};

test("a path says where it lies below the working directory, and nothing of what is above or elsewhere", () => {
  for (const [word, expected] of [
    ["texts/book.txt", "texts/book.txt"],
    ["./book.txt", "./book.txt"],
    ["/home/somebody/texts/book.txt", "book.txt"],
    ["/home/somebody/models/", "models"],
    ["../somebody/book.txt", "book.txt"],
    ["texts/../../book.txt", "book.txt"],
    ["~/book.txt", "book.txt"],
    ["C:\\Users\\somebody\\book.txt", "book.txt"],
    ["\\\\server\\share\\book.txt", "book.txt"],
    ["lr=0.001", "lr=0.001"],
    ["..", ".."],
  ] as const)
    assert.equal(publicName(word), expected);
});

test("a record comes back as it was, and grows where the run goes on", () => {
  const stored = parseRunRecord(formatRunRecord({ ...record }), "run.json");
  assert.deepEqual(stored, record);
  const once = withResumption(stored, { step: 3, begun: "later" });
  const twice = withResumption(once, { step: 5, begun: "last" });
  assert.deepEqual(twice["resumed"], [
    { step: 3, begun: "later" },
    { step: 5, begun: "last" },
  ]);
  assert.deepEqual(settingsOf(twice), settingsOf(stored));
});

test("settings are flat, and leave out what any two runs differ in", () => {
  const settings = settingsOf({ ...record });
  assert.equal(settings.get("training.lr"), "0.003");
  assert.equal(settings.get("memory.minBucketRows"), "10000, 30000");
  assert.equal(settings.get("data"), `book.txt (1234 bytes, sha256 ${"ab".repeat(6)})`);
  assert.equal(settings.get("machine.processors"), "2");
  for (const name of ["begun", "command", "version", "overrides.training.lr"])
    assert.ok(!settings.has(name), name);
});

test("a stranger's record is refused, or bounded", () => {
  for (const text of ["", "[]", "null", '{"version": "1"}', '{"version": 2}'])
    assert.throws(
      () => parseRunRecord(text, "x/run.json"),
      (error: unknown) => {
        assert.ok(error instanceof FormatError);
        return error.message.startsWith("x/run.json");
      },
    );
  const deep = JSON.parse(`${'{"a":'.repeat(900)}1${"}".repeat(900)}`) as object;
  const many = Object.fromEntries(
    Array.from({ length: 5000 }, (_, i) => [`k${i}`, "x".repeat(5000)]),
  );
  const settings = settingsOf({ version: 1, deep, list: [deep, [[[]]], null], ...many });
  assert.ok(settings.size <= 200);
  assert.ok([...settings.values()].every((value) => value.length <= 200));
});

test("a card says what the record and the result say, whatever the names hold", () => {
  const result = {
    numParams: 1_000_000,
    numRows: 48_000,
    bitsPerByte: 2.0881,
    bitsPerByteWithoutMemory: 2.3251,
    seconds: 61.4,
  };
  const card = modelCard("my | `model`<b>", record, result);
  const [, head, body] = /^---\n([\s\S]*?)\n---\n([\s\S]*)$/.exec(card)!;
  assert.match(head!, /^library_name: engram-lm$/m);
  assert.ok(body!.startsWith(CARD_MARK));
  for (const said of [
    /^# my model b$/m,
    /1,000,000 weights .* 48,000 rows of 16 values, .*, and of counts of n-grams of up to 6 tokens\.$/m,
    /preset `tiny` with training\.lr = 0\.001, seed 7, 61 seconds on A chip/,
    /`book\.txt`, 1,234 bytes, SHA-256 `(?:ab){32}`/,
    /\| as it is \| 2\.0881 \|/,
    /memory switched off \| 2\.3251 \|/,
  ])
    assert.match(body!, said);
  const { memory: _, ...countsAlone } = record;
  assert.match(modelCard("x", countsAlone, result), / and a memory of counts of n-grams/);
  const { counted: __, ...plain } = countsAlone;
  assert.match(modelCard("x", plain, result), /, without a memory\.$/m);
});
