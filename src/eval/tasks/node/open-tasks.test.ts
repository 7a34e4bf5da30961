import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { EngramError, FormatError, RequestError } from "../../../errors.ts";
import { openJudge, openTasks } from "./index.ts";

const folder = mkdtempSync(join(tmpdir(), "engram-tasks-"));
after(() => rmSync(folder, { recursive: true }));

function write(name: string, content: string | Buffer | object): string {
  const path = join(folder, name);
  const isText = typeof content === "string" || Buffer.isBuffer(content);
  writeFileSync(path, isText ? content : JSON.stringify(content));
  return path;
}

const honest = {
  task: "mine",
  output_type: "loglikelihood",
  data: "mine.jsonl",
  doc_to_text: "{{q}}",
  doc_to_target: "{{a}}",
};
write("mine.jsonl", '{"q":"?","a":"!"}\n');
mkdirSync(join(folder, "parts"));
for (const part of ["b", "a_1"]) write(`parts/${part}.jsonl`, `{"q":"${part}","a":"!"}\n`);
write("parts/other.txt", "no part");

test("data is looked for beside the task, or where --data says", async () => {
  const path = write("mine.json", honest);
  const set = await openTasks(path);
  assert.deepEqual(set.tasks[0]!.documents, [{ q: "?", a: "!" }]);
  const elsewhere = join(folder, "parts");
  await assert.rejects(openTasks(path, { data: elsewhere }), /mine\.jsonl cannot be read/);
});

test("a * makes a subtask of each file that is like it, in order, with its name", async () => {
  const set = await openTasks(write("parts.json", { ...honest, data: "parts/*.jsonl" }));
  assert.deepEqual(
    set.tasks.map(({ name, documents }) => [name, documents[0]!["subtask"]]),
    [
      ["mine_a_1", "a 1"],
      ["mine_b", "b"],
    ],
  );
});

test("a task that names a file outside its data is refused, and nothing is read", async () => {
  for (const data of [
    "../mine.jsonl",
    "parts/../../x.jsonl",
    "/etc/passwd.txt",
    "C:\\x.txt",
    "..\\x.txt",
    "../*.jsonl",
    "a\0.txt",
  ])
    await assert.rejects(
      openTasks(write("bad.json", { ...honest, data })),
      (error) => error instanceof FormatError && /below the data folder/.test(error.message),
      data,
    );
});

test("files that are missing, folders, of another kind or damaged are refused by name", async () => {
  write("zipped.jsonl", Buffer.from("1f8b0800", "hex"));
  write("latin.jsonl", Buffer.from([0x7b, 0xe9, 0x7d]));
  mkdirSync(join(folder, "folder.jsonl"));
  for (const [data, expected] of [
    ["absent.jsonl", /absent\.jsonl cannot be read: it is not there; tasks name files below/],
    ["folder.jsonl", /folder\.jsonl is not a file/],
    ["zipped.jsonl", /gzip/],
    ["latin.jsonl", /not UTF-8/],
    ["none/*.jsonl", /none cannot be read: it is not there; tasks name files below/],
    ["parts/*.csv", /0 files are like/],
  ] as const)
    await assert.rejects(
      openTasks(write("bad.json", { ...honest, data })),
      (error) => error instanceof EngramError && expected.test(error.message),
      data,
    );
  await assert.rejects(openTasks(join(folder, "absent.json")), /absent\.json cannot be read/);
  const large = write("large.json", { ...honest, about: "x".repeat(2 ** 20) });
  await assert.rejects(openTasks(large), /large\.json has \d+ bytes; at most/);
});

const exact = {
  metric: "exact_match",
  regexes_to_ignore: [],
  ignore_case: false,
  ignore_punctuation: false,
  ignore_numbers: false,
} as const;

test("a pattern that does not come to an end is stopped, and the next answers are judged", async () => {
  using judging = openJudge({ patience: 4000 });
  const answers = [{ text: `${"a".repeat(40)}!`, targets: ["x"] }];
  const stuck = { filters: [], metrics: [{ ...exact, regexes_to_ignore: ["(a+)+$"] }], answers };
  await assert.rejects(
    judging.judge(stuck),
    (error) => error instanceof RequestError && /did not come to an end/.test(error.message),
  );
  const judged = await judging.judge({ filters: [], metrics: [exact], answers });
  assert.deepEqual(judged[0]!.values, [0]);
});

test("answers are judged as Python's patterns and the harness' rules have it", async () => {
  using judging = openJudge();
  const judge = async (text: string, targets: string[], change: object): Promise<number> => {
    const metrics = [{ ...exact, ...change }];
    const judged = await judging.judge({ filters: [], metrics, answers: [{ text, targets }] });
    return judged[0]!.values[0]!;
  };
  assert.equal(
    await judge("The Cat.", ["the cat"], { ignore_case: true, ignore_punctuation: true }),
    1,
  );
  assert.equal(await judge("The Cat.", ["the cat"], { ignore_case: true }), 0);
  assert.equal(await judge("a\nb#### 42", ["42"], { regexes_to_ignore: ["(?s).*#### ", ","] }), 1);
  assert.equal(await judge("1,024", ["1024"], { regexes_to_ignore: [",", "\\$"] }), 1);
  assert.equal(await judge("x7", ["x"], { ignore_numbers: true }), 1);
  assert.equal(await judge("it is 12 and 34", ["12", "34", "56"], { metric: "contains" }), 2 / 3);
});

test("a pattern that cannot be used is refused with what is wrong with it", async () => {
  using judging = openJudge();
  for (const pattern of ["(", "(?x)a", "[z-a]"])
    await assert.rejects(
      judging.judge({
        filters: [],
        metrics: [{ ...exact, regexes_to_ignore: [pattern] }],
        answers: [],
      }),
      (error) => error instanceof FormatError && error.message.includes(pattern.slice(0, 1)),
      pattern,
    );
});
