import assert from "node:assert/strict";
import { test } from "node:test";
import { differences } from "./difference.ts";
import type { Figure, SetResult } from "./evaluate.ts";
import { parseTaskFile } from "./task-file.ts";

const file = parseTaskFile(
  JSON.stringify({
    task: "t",
    output_type: "loglikelihood",
    data: "x.jsonl",
    doc_to_target: "{{a}}",
    metric_list: ["log_likelihood"],
    group_by: { field: "n" },
  }),
  "t.json",
);

function result(groups: readonly (readonly number[])[]): SetResult {
  const results = groups.map((numbers, g) => {
    const values = numbers.map((value) => ({ value, weight: 1 }));
    const figure: Figure = {
      metric: "log_likelihood",
      filter: "none",
      value: 0,
      standardError: 0,
      higherIsBetter: true,
      values,
    };
    const task = { name: `t_${g}`, file, documents: [], fewShotDocuments: undefined };
    return { task, numFewShot: 0, figures: [figure], samples: [], numTruncated: 0 };
  });
  return { set: { name: "t", file, isGroup: true, tasks: [] }, results };
}

test("differences are paired by document, and told over the control group", () => {
  const on = result([
    [-5, -7, -6],
    [-1, -2, -6],
  ]);
  const off = result([
    [-5, -7, -7],
    [-3, -5, -7],
  ]);
  const [control, stated] = differences([on], [off]);
  // 0, 0, 1 and 2, 3, 1: means 1/3 and 2, sample deviations 1/sqrt(3) and 1, over sqrt(3).
  assert.ok(Math.abs(control!.value - 1 / 3) < 1e-12);
  assert.ok(Math.abs(control!.standardError! - 1 / 3) < 1e-12);
  assert.equal(control!.overControl, undefined);
  assert.ok(Math.abs(stated!.value - 2) < 1e-12);
  const { overControl } = stated!;
  assert.equal(overControl!.control, "t_0");
  assert.ok(Math.abs(overControl!.value - 5 / 3) < 1e-12);
  assert.ok(Math.abs(overControl!.standardError - Math.sqrt(1 / 9 + 1 / 3)) < 1e-12);
  assert.equal(overControl!.p, undefined, "three documents say nothing of tails");
});

test("large groups have a p, as the normal distribution has it", () => {
  const repeat = (values: readonly number[]): number[] => Array(10).fill(values).flat();
  const zeros = repeat([0, 0, 0, 0]);
  const on = result([repeat([1, -1, 1, -1]), repeat([2, -1, 1, 0])]);
  const [, stated] = differences([on], [result([zeros, zeros])]);
  // Means 0 and 0.5, variances 40/39 and 50/39, over 40: z = 0.5 / sqrt(90/39/40) = 2.0816660; erfc(z / sqrt 2).
  assert.ok(Math.abs(stated!.overControl!.p! - 0.03737298834) < 1e-9, `${stated!.overControl!.p}`);
});
