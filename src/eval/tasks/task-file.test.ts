import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { FormatError } from "../../errors.ts";
import { parseTaskFile } from "./task-file.ts";

const honest = {
  task: "mine",
  output_type: "multiple_choice",
  data: "mine.jsonl",
  doc_to_text: "{{q}}",
  doc_to_target: "{{gold}}",
  doc_to_choice: "{{options}}",
};
const hay = { lengths: [1000, 10_000], depths: [0, 50], filler: ["So it goes."] };
const generating = {
  task: "mine",
  output_type: "generate_until",
  data: "mine.jsonl",
  doc_to_text: "{{q}}",
  doc_to_target: "{{a}}",
};

test("a task has the harness' defaults where it says nothing", () => {
  const file = parseTaskFile(JSON.stringify(honest), "mine.json");
  assert.equal(file.target_delimiter, " ");
  assert.equal(file.fewshot_delimiter, "\n\n");
  assert.deepEqual(
    file.metric_list.map(({ metric }) => metric),
    ["acc", "acc_norm"],
  );
  assert.equal(file.num_fewshot, 0);
  const { generation_kwargs: limits } = parseTaskFile(JSON.stringify(generating), "mine.json");
  assert.deepEqual(limits, { until: [], max_gen_toks: 256 });
});

for (const [what, change, expected] of [
  ["an unknown key", { doc_to_txt: "x" }, /doc_to_txt/],
  ["a name that is a path", { task: "../mine" }, /letters, digits/],
  ["a template that is none", { doc_to_text: "{{a + b}}" }, /cannot read/],
  ["another kind's metric", { metric_list: ["perplexity"] }, /multiple_choice has acc/],
  ["an unknown metric", { metric_list: ["bleu"] }, /metric/],
  ["choices without a choice", { output_type: "loglikelihood" }, /doc_to_choice belongs/],
  ["no choices", { doc_to_choice: undefined }, /doc_to_choice belongs/],
  ["generation where nothing is generated", { generation_kwargs: {} }, /generation_kwargs/],
  ["two stars", { data: "*/*.jsonl" }, /at most one \*/],
  ["examples by subtask without subtasks", { fewshot_data: "*.jsonl" }, /fewshot_data has a \*/],
  ["ranges that go down", { group_by: { field: "n", ranges: [2, 1] } }, /ascending/],
  ["too many examples", { num_fewshot: 100_000 }, /num_fewshot: expected at most \d+, got 100000$/],
  [
    "a count that is no whole number",
    { num_fewshot: 1.5 },
    /num_fewshot: expected integer, got 1.5$/,
  ],
  ["no data", { data: undefined }, /one of data, needles and recall/],
  ["a huge haystack", { data: undefined, needles: { ...hay, lengths: [1e9] } }, /lengths/],
  ["huge haystacks together", { data: undefined, needles: { ...hay, count: 10_000 } }, /words/],
  ["choices that are no templates", { doc_to_choice: ["a", "{{b"] }, /doc_to_choice/],
  ["choices of another type", { doc_to_choice: 3 }, /a list of templates/],
] as const)
  test(`a task file with ${what} is refused by name`, () => {
    const text = JSON.stringify({ ...honest, ...change });
    assert.throws(
      () => parseTaskFile(text, "mine.json"),
      (error) =>
        error instanceof FormatError &&
        error.message.startsWith("mine.json: ") &&
        expected.test(error.message),
    );
  });

test("what is not JSON is refused", () => {
  for (const text of ["", "{", "[]", "null", "3", '"text"', "task: yaml"])
    assert.throws(() => parseTaskFile(text, "mine.json"), FormatError, text);
});

test("every task that comes along is one", () => {
  const folder = new URL("../../../assets/tasks/", import.meta.url);
  const names = readdirSync(folder);
  assert.ok(names.length >= 13);
  for (const name of names) {
    const file = parseTaskFile(readFileSync(new URL(name, folder), "utf8"), name);
    assert.equal(`${file.task}.json`, name);
  }
});
