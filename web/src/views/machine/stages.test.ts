import assert from "node:assert/strict";
import { test } from "node:test";
import { noAblation } from "../../ablation.ts";
import { type Machine, stagesOf } from "./stages.ts";

const row = (number: number, head: number) => ({ head, row: number, norm: 1, column: {} as never });
const layer = {
  layer: 1,
  gates: [0.891],
  written: 0.5,
  stream: 1,
  orders: [
    { order: 2, tokens: ["at", "har"], compressed: [1, 2], rows: [row(3938, 0), row(5680, 1)] },
    { order: 3, tokens: ["K", "at", "har"], compressed: [0, 1, 2], rows: [row(18342, 0)] },
  ],
};
const machine: Machine = {
  moment: {
    index: 4,
    token: "in",
    effect: { on: 0.934, off: 0.0031 },
    context: ["K", "at", "har"],
    layers: [layer],
    read: { rows: [], contexts: [] },
    chances: [],
    origin: undefined,
    trust: undefined,
    ablate: noAblation,
  },
  layer,
  numRows: 48_100,
  numLayers: 4,
  memoryLayers: [1],
  tokens: [{ text: "har", id: 384, compressed: 2 }],
};

test("eight stages of a model with rows, each with the numbers of this place", () => {
  const stages = stagesOf(machine);
  assert.equal(stages.length, 8);
  const here = stages.map((stage) => stage.here).join("\n");
  for (const figure of [
    "384",
    "3938, 5680, 18342",
    "“Kathar”",
    "0.89",
    "50.0 %",
    "93.4 %",
    "0.31 %",
  ])
    assert.ok(here.includes(figure), `${figure} in ${here}`);
});

test("counts are a stage of their own, and all there is where nothing is learned", () => {
  const moment = { ...machine.moment, trust: 0.25 };
  const both = stagesOf({ ...machine, moment });
  assert.deepEqual(both.map(({ id }) => id).slice(-2), ["counts", "next"]);
  assert.match(both.at(-2)!.here, /25\.0 %/);
  const alone = stagesOf({ ...machine, moment, layer: undefined });
  assert.deepEqual(
    alone.map(({ id }) => id),
    ["tokens", "counts", "next"],
  );
});
