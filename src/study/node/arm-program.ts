/**
 * The process that trains or measures for a study: one job, on threads of its own, then its end. Saves when it is told to
 * stop, when it gets a signal, and when the study that started it is gone.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { findCheckpoints, readTextFile } from "../../checkpoint/node/index.ts";
import { EngramError } from "../../errors.ts";
import { bitsPerByteOfStream } from "../../eval/index.ts";
import { loadModel } from "../../load-model.ts";
import type { Backend } from "../../tensor/index.ts";
import { ortBackend } from "../../tensor/backends/onnx/node/index.ts";
import { trainModel, type TrainEvent } from "../../train-model.ts";
import type { Model } from "../../opened-model.ts";
import { packDocuments } from "../../training/index.ts";
import { readAll } from "../../training/node/index.ts";
import type { Measured } from "../metrics.ts";
import type { Answer, Done, Job, MeasureJob, Order, RehearseJob, TrainJob } from "./arm-job.ts";
import { askTasks } from "./study-tasks.ts";

/** Steps of a rehearsal; the first also compiles, and is not timed. */
const REHEARSED_STEPS = 4;

const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => stop.abort());
process.on("disconnect", () => stop.abort());
process.on("message", (order: Order) => {
  if (order.type === "stop") stop.abort();
  else void answer(order.job);
});

/** Whoever asked may be gone. */
function say(message: Answer): Promise<void> {
  return new Promise((resolve) => {
    if (process.connected) process.send!(message, undefined, undefined, () => resolve());
    else resolve();
  });
}

async function answer(job: Job): Promise<void> {
  const backend = ortBackend({ threads: job.threads });
  try {
    await say(await done(job, backend));
  } catch (error) {
    if (isAbort(error)) await say({ type: "done", outcome: "stopped" });
    else
      await say({
        type: "failed",
        code: error instanceof EngramError ? error.code : "internal",
        message: error instanceof Error ? error.message : String(error),
      });
  }
  process.exit(0);
}

function done(job: Job, backend: Backend): Promise<Done> {
  if (job.kind === "measure") return measure(job, backend);
  return job.kind === "train" ? train(job, backend) : rehearse(job, backend);
}

async function train(job: TrainJob, backend: Backend): Promise<Done> {
  const checkpoints = await findCheckpoints(join(job.out, "checkpoints"));
  // The process was ended after the model was saved, before anybody heard of it.
  if (checkpoints.length === 0 && existsSync(join(job.out, "config.json")))
    return { type: "done", outcome: "finished" };
  const pause = new AbortController();
  let until: number | undefined;
  const onEvent = (event: TrainEvent): void => {
    if (event.type !== "step") return;
    const { step } = event.report;
    const { slice } = job;
    if (slice !== undefined) until ??= (Math.floor((step - 1) / slice) + 1) * slice;
    if (until !== undefined && step >= until && step < event.steps) pause.abort();
    void say({ type: "step", step, steps: event.steps, seconds: process.uptime() });
  };
  try {
    await trainModel({
      ...(await settings(job)),
      backend,
      resume: checkpoints.length > 0,
      signal: AbortSignal.any([stop.signal, pause.signal]),
      onEvent,
    });
    return { type: "done", outcome: "finished" };
  } catch (error) {
    if (pause.signal.aborted && !stop.signal.aborted && isAbort(error))
      return { type: "done", outcome: "paused" };
    throw error;
  }
}

async function rehearse(job: RehearseJob, backend: Backend): Promise<Done> {
  const options = await settings(job);
  return new Promise((resolve, reject) => {
    let since = performance.now();
    trainModel({
      ...options,
      backend,
      signal: stop.signal,
      onEvent(event) {
        if (event.type !== "step") return;
        const now = performance.now();
        const { step } = event.report;
        const last = Math.min(REHEARSED_STEPS, event.steps);
        // Of a single step the compilation is a part.
        if (step === 1 && last > 1) since = now;
        // The process ends with this answer: what it would save is thrown away anyhow.
        if (step === last)
          resolve({
            type: "done",
            outcome: "finished",
            secondsPerStep: (now - since) / 1000 / Math.max(1, last - 1),
          });
      },
    }).catch(reject);
  });
}

async function settings(job: TrainJob | RehearseJob) {
  const { presetName: preset, overrides, memory, seed, data, valid, out, command } = job;
  return {
    preset,
    overrides,
    memory,
    seed,
    data,
    out,
    command,
    ...(valid !== undefined && { valid }),
    ...(job.tokenizer !== undefined && { tokenizer: await readTextFile(job.tokenizer) }),
  };
}

async function measure(job: MeasureJob, backend: Backend): Promise<Done> {
  const { signal } = stop;
  await using model = await loadModel(job.model, { backend });
  const ofText = job.valid === undefined ? {} : await measureText(model, job.valid);
  const tasks = await askTasks(model, job, signal);
  return { type: "done", outcome: "finished", measured: { ...ofText, tasks } };
}

async function measureText(model: Model, valid: readonly string[]): Promise<Measured> {
  const { signal } = stop;
  const stream = await packDocuments(readAll(valid), model.tokenizer, { signal });
  const bits = async (memory: boolean): Promise<number> =>
    (await bitsPerByteOfStream(model, stream, { memory, signal })).bitsPerByte;
  return {
    bitsPerByte: await bits(model.hasMemory),
    bitsPerByteWithoutMemory: model.hasMemory ? await bits(false) : undefined,
  };
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}
