/**
 * A training run as a process that a test can kill: node train-process.ts DATA OUT [resume] [folds] [BYTES]. Prints a
 * line a step, so that whoever kills it can choose the moment. With BYTES its table, then a larger one, lies on
 * disk behind so much memory; 0 holds the larger one in memory. With `folds` it counts, too, and counts and rows are
 * cross-fitted.
 */
import { ortBackend } from "../../src/index.ts";
import { trainModel } from "../../src/index-training.ts";
import { miniPreset } from "../models/mini-preset.ts";

const [data, out, ...words] = process.argv.slice(2) as [string, string, ...string[]];
const bytes = words.map(Number).find((word) => word >= 0);
const larger = { ...miniPreset.memory, minBucketRows: [4000, 8000] };
const crossFitted = {
  counted: { order: 4, folds: 3, maxBytes: 60_000 },
  training: { ...miniPreset.training, steps: 15, memoryFadeIn: 0, rowFolds: 3 },
};
const preset = {
  ...miniPreset,
  ...(bytes !== undefined && { memory: larger }),
  ...(words.includes("folds") && crossFitted),
};
const controller = new AbortController();
process.on("SIGINT", () => controller.abort());
await trainModel({
  data: [data],
  preset,
  out,
  // Kills of the engine's threads are tested with the tables in RAM; a second thread costs half as much again.
  backend: ortBackend({ threads: bytes === undefined ? 2 : 1 }),
  seed: 3,
  resume: words.includes("resume"),
  ...(bytes ? { tableMemory: bytes } : {}),
  checkpointEvery: 3,
  signal: controller.signal,
  onEvent: (event) => {
    if (event.type === "step") process.stdout.write(`step ${event.report.step}\n`);
    else if (event.type === "checkpoint") process.stdout.write(`checkpoint ${event.step}\n`);
  },
});
