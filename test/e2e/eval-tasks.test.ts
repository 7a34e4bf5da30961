/** `engram eval --tasks`: its document, its tables, its sample logs, and what it refuses. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { type Ending, engram } from "../engram.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const model = join(root, "assets/shakespeare");
const pairs = join(root, "test/golden/lm-eval/pairs.json");
const scratch = mkdtempSync(join(tmpdir(), "engram-eval-"));
after(() => rmSync(scratch, { recursive: true }));

function evaluate(...words: string[]): Promise<Ending> {
  return engram("eval", model, ...words);
}

test("the document has both views and what the memory gains; a memory scaled to nothing gains nothing", async () => {
  const { status, stdout, stderr } = await evaluate("--tasks", pairs, "--scale", "0", "--json");
  assert.equal(status, 0, stderr);
  const { results, memoryOff, memoryGains, group_subtasks: subtasks } = JSON.parse(stdout);
  assert.deepEqual(results, memoryOff.results);
  assert.deepEqual(subtasks, { pairs: ["pairs_agreement", "pairs_order"] });
  assert.deepEqual(
    memoryGains.map((gain: { task: string; value: number; numDocuments: number }) => [
      gain.task,
      gain.value,
      gain.numDocuments,
    ]),
    [
      ["pairs_agreement", 0, 4],
      ["pairs_order", 0, 6],
    ],
  );
});

test("samples are logged for each view, and parts of the memory that are taken away change them", async () => {
  const log = join(scratch, "samples");
  const words = ["--tasks", pairs, "--limit", "2", "--log-samples", log];
  const { status, stdout, stderr } = await evaluate(...words, "--ablate", "orders=2,3");
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^\|\s+Tasks\s+\|Version\|Filter\|n-shot\|Metric\|/);
  assert.match(stdout, /\nMemory off:\n/);
  assert.deepEqual(readdirSync(log).toSorted(), [
    "samples_pairs_agreement_memory-off.jsonl",
    "samples_pairs_agreement_memory-on.jsonl",
    "samples_pairs_order_memory-off.jsonl",
    "samples_pairs_order_memory-on.jsonl",
  ]);
  const read = (from: string) =>
    readFileSync(join(from, "samples_pairs_order_memory-on.jsonl"), "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
  const [first, second, ...rest] = read(log);
  assert.deepEqual(rest, []);
  assert.deepEqual([first.doc_id, second.doc_id], [0, 1]);
  assert.equal(first.arguments.gen_args_0.arg_1, " Give me thy hand.");
  assert.equal(first.acc, Number(first.resps[0][0] > first.resps[1][0]));
  const whole = join(scratch, "whole");
  assert.equal(
    (await evaluate("--tasks", pairs, "--limit", "2", "--log-samples", whole)).status,
    0,
  );
  assert.notDeepEqual(read(whole)[0].resps, first.resps);
  // All orders taken away is the memory off, up to rounding.
  const off = readFileSync(join(log, "samples_pairs_order_memory-off.jsonl"), "utf8");
  const [firstOff] = off.split("\n").map((line) => line && JSON.parse(line));
  assert.ok(Math.abs(firstOff.resps[0][0] - first.resps[0][0]) < 1e-3);
});

test("what cannot be meant is refused before the model is read", async () => {
  const other = join(scratch, "other.json");
  writeFileSync(other, '{"task":"x","output_type":"telepathy"}');
  for (const [words, expected] of [
    [[], /--bpb FILE, or --tasks TASK/],
    [["--bpb", pairs, "--tasks", pairs], /--bpb FILE, or --tasks TASK; got both/],
    [["--bpb", pairs, "--limit", "3"], /--limit goes with --tasks/],
    [["--bpb", pairs, "--num-fewshot", "3"], /--num-fewshot goes with --tasks/],
    [["--tasks", pairs, "--no-memory", "--ablate", "layers=1"], /--ablate says how to read/],
    [["--tasks", pairs, "--ablate", "layers"], /layers=1, orders=2,3/],
  ] as const) {
    const { status, stderr } = await evaluate(...words);
    assert.equal(status, 2, stderr);
    assert.match(stderr, expected);
  }
  for (const [words, expected] of [
    [
      ["--tasks", "telepathy"],
      /no task "telepathy" in the package, which has .*blimp, .*winogrande; give .*its path/,
    ],
    [["--tasks", other], /other\.json: .*output_type/s],
    [["--tasks", pairs, pairs], /two tasks are called "pairs"/],
    [["--tasks", pairs, "--ablate", "layers=9"], /no layer 9 to take away/],
  ] as const) {
    const { status, stderr } = await evaluate(...words);
    assert.notEqual(status, 0);
    assert.match(stderr, expected);
  }
});
