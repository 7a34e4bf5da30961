import assert from "node:assert/strict";
import { test } from "node:test";
import { FormatError, InvalidConfigError } from "../../errors.ts";
import { fewShotSampler } from "./few-shot.ts";
import { groupedTasks } from "./group.ts";
import { itemsOf } from "./items.ts";
import { makeNeedles } from "./needles.ts";
import { askedByCase, askedByPattern, factsOf } from "./recall.ts";
import { recordsOf } from "./records.ts";
import { parseTaskFile } from "./task-file.ts";
import type { Fields } from "./template.ts";

test("records are read from lines, arrays, tables and whole texts", () => {
  const two = [{ a: "1" }, { a: "2" }];
  assert.deepEqual(recordsOf('{"a":"1"}\n\n{"a":"2"}\r\n', { file: "x.jsonl" }), two);
  assert.deepEqual(recordsOf('\uFEFF[{"a":"1"},{"a":"2"}]', { file: "x.json" }), two);
  assert.deepEqual(recordsOf("a\n1\n2\n", { file: "x.csv" }), two);
  assert.deepEqual(recordsOf("1\n2", { file: "x.csv", columns: ["a"] }), two);
  assert.deepEqual(recordsOf("a\tb\n1\t\n", { file: "x.tsv" }), [{ a: "1", b: "" }]);
  assert.deepEqual(recordsOf("all\nof it", { file: "x.txt" }), [{ text: "all\nof it" }]);
});

test("quoted cells of a table hold commas, quotes and line ends", () => {
  const text = 'q,a\n"He said ""no"", then\nleft",A\r\n,""\n';
  assert.deepEqual(recordsOf(text, { file: "x.csv" }), [
    { q: 'He said "no", then\nleft', a: "A" },
    { q: "", a: "" },
  ]);
});

test("damaged data is refused with its file and place", () => {
  for (const [file, text, place] of [
    ["x.jsonl", '{"a":1}\n{"a":', /x\.jsonl:2/],
    ["x.jsonl", "[1]\n", /x\.jsonl:1: expected an object/],
    ["x.json", '{"a":1}', /array of objects/],
    ["x.json", "[1]", /element 0/],
    ["x.csv", "a,b\n1\n", /row 1 has 1 fields, expected 2/],
    ["x.csv", 'a\n"open', /quote/],
    ["x.csv", 'a\nb"c\n', /quote/],
    ["x.parquet", "PAR1", /ends in/],
    ["x.txt", "", /no document/],
    ["x.jsonl", "\n\n", /no document/],
  ] as const)
    assert.throws(
      () => recordsOf(text, { file }),
      (error) => error instanceof FormatError && place.test(error.message),
      text,
    );
});

const pool: Fields[] = Array.from({ length: 6 }, (_, i) => ({ i }));

test("examples never hold the document that is asked, copies of it included", () => {
  const copies = [...pool, { i: 0 }, { i: 0 }];
  for (const sampler of ["default", "first_n"] as const) {
    const examplesFor = fewShotSampler({
      sampler,
      count: 4,
      pool: copies,
      isOwnPool: true,
      task: "t",
    });
    for (let n = 0; n < 50; n++) {
      const examples = examplesFor({ i: 0 });
      assert.equal(examples.length, 4);
      assert.ok(examples.every(({ i }) => i !== 0));
    }
  }
});

test("more examples than there are documents are refused", () => {
  const options = { sampler: "first_n", pool, isOwnPool: false, task: "t" } as const;
  assert.throws(() => fewShotSampler({ ...options, count: 7 }), InvalidConfigError);
});

const file = parseTaskFile(
  JSON.stringify({
    task: "t",
    output_type: "multiple_choice",
    data: "x.jsonl",
    doc_to_text: "{{q}}",
    doc_to_target: "{{gold}}",
    doc_to_choice: "{{options}}",
    group_by: { field: "n", ranges: [0, 1, 2, 4] },
  }),
  "t.json",
);

function items(...documents: Fields[]) {
  const options = { file, name: "t", fewShotDocuments: undefined, numFewShot: 0, limit: undefined };
  return [...itemsOf({ ...options, documents })];
}

test("an answer is a place, its digits, or the text of a choice; anything else is refused by document", () => {
  for (const gold of [1, "1", "y"])
    assert.deepEqual(items({ q: "?", options: ["x", "y"], gold })[0]!.target, {
      kind: "index",
      indices: [1],
    });
  for (const document of [
    { q: "?", options: ["x", "y"], gold: 2 },
    { q: "?", options: ["x", "y"], gold: -1 },
    { q: "?", options: ["x", "y"], gold: 0.5 },
    { q: "?", options: ["x", "y"], gold: "z" },
    { q: "?", options: ["x", "y"], gold: null },
    { q: "?", options: [], gold: 0 },
    { q: "?", options: "xy", gold: 0 },
    { q: ["?"], options: ["x"], gold: 0 },
    { options: ["x"], gold: 0 },
  ] as Fields[])
    assert.throws(
      () => items({ q: "?", options: ["x"], gold: 0 }, document),
      (error) => error instanceof FormatError && error.message.startsWith("t, document 1: "),
      JSON.stringify(document),
    );
});

test("documents are grouped by ranges of a number; one that belongs to none is refused", () => {
  const documents = [0, 1, 2, 3, 4, 99, 0].map((n) => ({ n }));
  const { tasks, isGroup } = groupedTasks(file, { documents, fewShotDocuments: undefined });
  assert.ok(isGroup);
  assert.deepEqual(
    tasks.map(({ name, documents: own }) => [name, own.length]),
    [
      ["t_0", 2],
      ["t_1", 1],
      ["t_2-3", 2],
      ["t_4+", 2],
    ],
  );
  for (const n of [-1, "1", null, undefined])
    assert.throws(
      () => groupedTasks(file, { documents: [{ n }], fewShotDocuments: undefined }),
      FormatError,
    );
});

test("a haystack has its length, its needle where the depth says, and is the same for a seed", () => {
  const options = {
    lengths: [40],
    depths: [0, 50, 100],
    count: 3,
    seed: 7,
    needles: 3,
    needle: "The number of {key} is {value}.",
    filler: ["The grass is green.", "Here we go."],
  };
  const documents = makeNeedles(options);
  assert.deepEqual(documents, makeNeedles(options));
  assert.notDeepEqual(documents, makeNeedles({ ...options, seed: 8 }));
  assert.equal(documents.length, 9);
  for (const { context, key, value, depth } of documents as Record<string, string>[]) {
    const needle = `The number of ${key} is ${value}.`;
    assert.equal(context!.split(needle).length, 2);
    assert.equal(context!.match(/The number of/g)!.length, 3);
    const filler = context!.replaceAll(/The number of \S+ is \d+\. ?/g, "").trim();
    assert.ok(filler.split(" ").length >= 40 && filler.split(" ").length < 44);
    const before = context!
      .slice(0, context!.indexOf(needle))
      .replaceAll(/The number of \S+ is \d+\. ?/g, "");
    const share = before.trim().split(" ").filter(Boolean).length / filler.split(" ").length;
    assert.ok(Math.abs(share - Number(depth) / 100) < 0.1, `${share} for ${depth}`);
  }
});

const support =
  "source\trelation\tsubject\tobject\tseen\nP\tR1\tRome\tItaly\t5\nP\tR2\tParis\tFrance\t0\nC\t\tRome\tGaul\t2\n";
const rows = recordsOf(support, { file: "s.tsv" });

test("facts are asked by the patterns of their relation that end with the object", () => {
  const facts = factsOf(rows, { source: "P", exposures: "seen", file: "s.tsv" });
  const patterns = new Map([
    [
      "R1",
      [
        { pattern: "[Y] has [X]." },
        { pattern: "[X] lies in [Y] ." },
        { pattern: "[X] is in [Y]." },
      ],
    ],
    ["R2", [{ pattern: "[Y], land of [X]" }]],
  ]);
  assert.deepEqual(askedByPattern(facts, patterns), [
    {
      relation: "R1",
      subject: "Rome",
      object: "Italy",
      exposures: 5,
      prompt: "Rome lies in",
      prompts: ["Rome lies in", "Rome is in"],
    },
  ]);
});

test("facts are asked by their own cases, and a damaged table of support is refused", () => {
  const facts = factsOf(rows, { source: "C", exposures: "seen", file: "s.tsv" });
  const [asked] = askedByCase(facts, [
    { subject: "Rome", ground_truth: "Gaul", prompt: "Rome, in", target_new: "Spain" },
  ]);
  assert.deepEqual([asked!["prompt"], asked!["exposures"]], ["Rome, in", 2]);
  for (const [source, exposures] of [
    ["X", "seen"],
    ["P", "missing"],
    ["P", "object"],
  ] as const)
    assert.throws(() => factsOf(rows, { source, exposures, file: "s.tsv" }), FormatError);
});
