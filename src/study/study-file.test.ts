import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import test from "node:test";
import { InvalidConfigError } from "../errors.ts";
import { parseStudy, totalSteps } from "./study-file.ts";

const sound = {
  study: 1,
  title: "does it help?",
  hypothesis: "it does",
  refutation: "it does not",
  data: ["play.txt"],
  seeds: [0, 1],
  budget: { steps: 1600 },
  metrics: ["bitsPerByte", "bitsPerByteMemoryOff"],
  base: "dense",
  arms: {
    dense: { preset: "tiny", memory: false },
    memory: { preset: "tiny", set: { lr: 0.002 } },
  },
  predictions: [
    { metric: "bitsPerByte", difference: { memory: 1, dense: -1 }, atMost: -0.01 },
  ] as readonly object[],
};

test("a study says what each arm comes to", () => {
  const { arms, slice, budget } = parseStudy(sound, "a.json");
  assert.equal(totalSteps(parseStudy(sound, "a.json")), 2 * (400 + 400));
  assert.deepEqual([slice, budget.minutes], [undefined, undefined]);
  const [dense, memory] = arms;
  assert.deepEqual([dense!.training!.memory, memory!.training!.memory], [false, true]);
  assert.deepEqual(memory!.training!.overrides, { "training.lr": 0.002 });
  assert.equal(memory!.training!.preset.training.lr, 0.002);
});

for (const [what, change, expected] of [
  ["an unknown name", { colour: "red" }, /^a\.json: .*"colour"/],
  [
    "an unknown name of an arm",
    { arms: { ...sound.arms, x: { preset: "tiny", sed: {} } } },
    /arms\.x: .*"sed"/,
  ],
  ["a later version", { study: 2 }, /study: /],
  ["no hypothesis", { hypothesis: " " }, /hypothesis: expected words, got none/],
  ["nothing that would refute it", { refutation: undefined }, /refutation: /],
  ["no prediction", { predictions: [] }, /predictions: /],
  ["no title", { title: undefined }, /a\.json: title: expected string, got nothing$/],
  ["no seed", { seeds: [] }, /seeds: expected at least 1 item, got 0$/],
  ["one arm", { arms: { dense: sound.arms.dense } }, /arms: expected at least two arms/],
  ["a seed twice", { seeds: [1, 2, 1] }, /seeds: a seed is given twice/],
  ["half a seed", { seeds: [0.5] }, /seeds\.0: /],
  [
    "a metric that there is not",
    { metrics: ["accuracy"] },
    /metrics\.0: there is no metric "accuracy"; there are: bitsPerByte, /,
  ],
  [
    "a metric of JavaScript's own",
    { metrics: ["constructor"] },
    /there is no metric "constructor"/,
  ],
  [
    "an unknown preset",
    { arms: { ...sound.arms, dense: { preset: "huge" } } },
    /arms\.dense: unknown preset "huge"; there are: mini, tiny, small/,
  ],
  [
    "an unknown number of a preset",
    { arms: { ...sound.arms, dense: { preset: "tiny", set: { depth: 3 } } } },
    /arms\.dense: unknown setting "depth"/,
  ],
  [
    "a number that cannot be",
    { arms: { ...sound.arms, dense: { preset: "tiny", set: { lr: "fast" } } } },
    /arms\.dense: training\.lr: expected a number above 0/,
  ],
  [
    "an arm whose sizes do not fit together",
    { arms: { ...sound.arms, dense: { preset: "tiny", set: { numKvHeads: 4 } } } },
    /arms\.dense: .*heads/i,
  ],
  [
    "an arm whose windows do not fit",
    { arms: { ...sound.arms, dense: { preset: "tiny", set: { length: 4096 } } } },
    /arms\.dense: windows of 4096 tokens/,
  ],
  ["an arm that is no folder", { arms: { ...sound.arms, "../x": { preset: "tiny" } } }, /arms/],
  [
    "a path of one machine",
    { data: ["/home/me/play.txt"] },
    /data\.0: expected a path below the working directory/,
  ],
  [
    "a path of another kind of machine",
    { data: ["c:\\play.txt"] },
    /data\.0: expected a path below/,
  ],
  ["a path out of the folder", { data: ["a/../../play.txt"] }, /data\.0: expected a path below/],
  ["no text", { data: undefined }, /arms\.dense: there is no text to train on/],
  [
    "texts of their own, each measured on another",
    { arms: { ...sound.arms, more: { preset: "tiny", data: ["b.txt"] } } },
    /arms\.more: .*give "valid"/,
  ],
  ["a base that is no arm", { base: "none" }, /base: there is no arm "none"/],
  [
    "an arm that is nothing",
    { arms: { ...sound.arms, x: {} } },
    /arms\.x: expected a preset to train, or a model/,
  ],
  [
    "an arm that is both",
    { arms: { ...sound.arms, x: { preset: "tiny", model: "m" } } },
    /arms\.x: expected a preset to train, or a model/,
  ],
  [
    "a model with settings",
    { valid: ["v.txt"], arms: { ...sound.arms, x: { model: "m", memory: false } } },
    /arms\.x: .*leave out memory/,
  ],
  [
    "a model without a text",
    { arms: { ...sound.arms, x: { model: "m" } } },
    /arms\.x: .*give "valid"/,
  ],
  [
    "too many steps",
    { budget: { steps: 1599 } },
    /budget\.steps: the runs take 1600 steps together, the budget is 1599/,
  ],
  ["no budget", { budget: {} }, /budget\.steps: /],
  ["minutes that are none", { budget: { steps: 1600, minutes: 0 } }, /budget\.minutes: /],
] as const)
  test(`${what} is refused by name`, () => {
    assert.throws(
      () => parseStudy({ ...sound, ...change }, "a.json"),
      (error) => error instanceof InvalidConfigError && expected.test(error.message),
    );
  });

for (const [what, prediction, expected] of [
  [
    "an arm that there is not",
    { difference: { memory: 1, sparse: -1 }, atMost: 0 },
    /predictions\.0: there is no arm "sparse"/,
  ],
  [
    "weights that do not sum to 0",
    { difference: { memory: 1, dense: -2 }, atMost: 0 },
    /predictions\.0: the weights/,
  ],
  [
    "no bound",
    { difference: { memory: 1, dense: -1 } },
    /predictions\.0: expected atMost or atLeast/,
  ],
  [
    "two bounds",
    { difference: { memory: 1, dense: -1 }, atMost: 0, atLeast: 0 },
    /expected atMost or atLeast/,
  ],
  [
    "a figure that the arm has not",
    { metric: "bitsPerByteMemoryOff", difference: { memory: 1, dense: -1 }, atMost: 0 },
    /predictions\.0: arm "dense" has no memory/,
  ],
] as const)
  test(`a prediction of ${what} is refused`, () => {
    const predictions = [{ metric: "bitsPerByte", ...prediction }];
    assert.throws(() => parseStudy({ ...sound, predictions }, "a.json"), expected);
  });

test("a metric is predicted only where it is measured", () => {
  const metrics = ["bitsPerByteMemoryOff"];
  assert.throws(() => parseStudy({ ...sound, metrics }, "a.json"), /not among the study's metrics/);
});

test("the studies of docs/studies can be begun", () => {
  const folder = new URL("../../docs/studies/", import.meta.url);
  const names = readdirSync(folder).filter((name) => name.endsWith(".json"));
  assert.ok(names.length >= 4);
  for (const name of names) {
    const study = parseStudy(JSON.parse(readFileSync(new URL(name, folder), "utf8")), name);
    assert.ok(study.seeds.length >= 3 && study.predictions.length >= 1, name);
    // What is asked must not change with the preset: each arm says itself what memory it has.
    for (const { name: arm, training } of study.arms)
      if (training!.memory)
        for (const key of [
          "memory.layerIds",
          "model.engramGate",
          "counted.order",
          "training.memoryFadeIn",
        ])
          assert.ok(Object.hasOwn(training!.overrides, key), `${name}: ${arm}: ${key}`);
  }
});
