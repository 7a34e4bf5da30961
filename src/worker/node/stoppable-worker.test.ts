import assert from "node:assert/strict";
import { after, test } from "node:test";
import { FormatError, RequestError, UnavailableError } from "../../errors.ts";
import { nodeWorker } from "./index.ts";
import { onThisThread } from "../on-this-thread.ts";
import { StoppableWorker } from "../stoppable-worker.ts";
import { tasks } from "./test-tasks.fixture.ts";
import type { StartWorker } from "../worker-thread.ts";

const startThread = nodeWorker("test-tasks.fixture", { from: import.meta.url, heapMiB: 64 });
const open: StoppableWorker[] = [];
after(() => {
  for (const worker of open) worker.close();
});

function workerOn(start: StartWorker, options?: ConstructorParameters<typeof StoppableWorker>[1]) {
  const worker = new StoppableWorker(start, options);
  open.push(worker);
  return worker;
}

const patient = { limit: 60_000, tooSlow: "the test did not finish" };
const hurried = { limit: 300, tooSlow: "the test did not finish" };

for (const [where, start] of [
  ["a thread of Node", startThread],
  ["this thread", onThisThread(() => tasks())],
] as const) {
  test(`${where} does tasks in their order and keeps what it was told first`, async () => {
    const worker = workerOn(start, { first: { task: "remember", input: "told first" } });
    const answers = ["a", "b", "c"].map((text) => worker.run("shout", text, patient));
    assert.deepEqual(await Promise.all(answers), ["A", "B", "C"]);
    assert.equal(await worker.run("recall", undefined, patient), "told first");
  });

  test(`errors of ${where} arrive as what they were`, async () => {
    const worker = workerOn(start);
    await assert.rejects(
      worker.run("refuse", "bytes", patient),
      (error) => error instanceof FormatError && error.message === "bytes",
    );
    await assert.rejects(worker.run("break", undefined, patient), { name: "RangeError" });
    await assert.rejects(worker.run("nothing", undefined, patient), /no task "nothing"/);
  });

  test(`a job that fails on ${where} ends it where that was asked for, and those that wait are done`, async () => {
    for (const endsOnError of [false, true]) {
      const worker = workerOn(start, {
        first: { task: "remember", input: "told first" },
        endsOnError,
      });
      const jobs = ["told later", "told last"].map((text) => worker.run("remember", text, patient));
      const failed = ["one", "two"].map((text) => worker.run("refuse", text, patient));
      const recalled = worker.run("recall", undefined, patient);
      await Promise.all(jobs);
      for (const [i, text] of ["one", "two"].entries())
        await assert.rejects(failed[i]!, { name: "FormatError", message: text });
      assert.equal(await recalled, endsOnError ? "told first" : "told last");
    }
  });
}

for (const [what, input] of [
  ["a loop", "loop"],
  ["a regular expression", "regex"],
  ["a promise that never settles", "never"],
] as const)
  test(`${what} without end is ended at its limit, and the next job is done`, async () => {
    const worker = workerOn(startThread, { first: { task: "remember", input: "again" } });
    const stuck = worker.run("hang", input, hurried);
    const next = worker.run("recall", undefined, patient);
    await assert.rejects(
      stuck,
      (error) =>
        error instanceof RequestError &&
        error.message === "the test did not finish within 0.3 s, and was stopped",
    );
    assert.equal(await next, "again");
  });

test("a job that takes all memory is ended, and the next one is done", async () => {
  const worker = workerOn(startThread);
  await assert.rejects(worker.run("swallow", undefined, patient), /memory/);
  assert.equal(await worker.run("shout", "a", patient), "A");
});

test("an abort answers at once, running or waiting, and the others are done", async () => {
  const worker = workerOn(startThread);
  const running = new AbortController();
  const waiting = new AbortController();
  const stuck = worker.run("hang", "loop", { ...patient, signal: running.signal });
  const never = worker.run("shout", "b", { ...patient, signal: waiting.signal });
  const last = worker.run("shout", "c", patient);
  waiting.abort();
  running.abort();
  await assert.rejects(stuck, { name: "AbortError" });
  await assert.rejects(never, { name: "AbortError" });
  assert.equal(await last, "C");
  await assert.rejects(worker.run("shout", "d", { ...patient, signal: running.signal }), {
    name: "AbortError",
  });
});

test("a worker that cannot read what it needs first fails each job, by its reason", async () => {
  const worker = workerOn(startThread, { first: { task: "refuse", input: "no tokenizer" } });
  const jobs = [worker.run("shout", "a", patient), worker.run("shout", "b", patient)];
  for (const job of jobs) await assert.rejects(job, /no tokenizer/);
});

test("more jobs than may wait are refused", async () => {
  const worker = workerOn(startThread, { maxWaiting: 1 });
  const jobs = ["a", "b"].map((text) => worker.run("shout", text, patient));
  await assert.rejects(
    worker.run("shout", "c", patient),
    (error) => error instanceof UnavailableError && error.code === "queue_full",
  );
  assert.deepEqual(await Promise.all(jobs), ["A", "B"]);
});

test("closing ends what runs and refuses what waits and what comes", async () => {
  const worker = workerOn(startThread);
  const jobs = [worker.run("hang", "loop", patient), worker.run("shout", "b", patient)];
  worker.close();
  for (const job of [...jobs, worker.run("shout", "c", patient)])
    await assert.rejects(job, { code: "shutting_down" });
});
