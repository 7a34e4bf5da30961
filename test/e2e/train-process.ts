/**
 * A training run as a process that a test can kill: node train-process.ts DATA OUT [resume]. Prints a
 * line a step, so that whoever kills it can choose the moment.
 */
import { ortBackend, trainModel } from "../../src/index.ts";
import { miniPreset } from "../models/mini-preset.ts";

const [data, out, resume] = process.argv.slice(2) as [string, string, string | undefined];
const controller = new AbortController();
process.on("SIGINT", () => controller.abort());
await trainModel({
  data: [data],
  preset: miniPreset,
  out,
  backend: ortBackend({ threads: 2 }),
  seed: 3,
  resume: resume === "resume",
  checkpointEvery: 3,
  signal: controller.signal,
  onEvent: (event) => {
    if (event.type === "step") process.stdout.write(`step ${event.report.step}\n`);
    else if (event.type === "checkpoint") process.stdout.write(`checkpoint ${event.step}\n`);
  },
});
