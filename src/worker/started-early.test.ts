import assert from "node:assert/strict";
import { test } from "node:test";
import { onThisThread } from "./on-this-thread.ts";
import { startedEarly } from "./started-early.ts";
import { StoppableWorker } from "./stoppable-worker.ts";
import type { StartWorker, WorkerHandlers } from "./worker-thread.ts";

const options = { limit: 1000, tooSlow: "it did not double" };

function counted(): { start: StartWorker; handlers: WorkerHandlers[]; numEnded: () => number } {
  const handlers: WorkerHandlers[] = [];
  let ended = 0;
  const inner = onThisThread(() => ({ double: (n: number) => 2 * n }));
  const start: StartWorker = (given) => {
    handlers.push(given);
    const thread = inner(given);
    return { ...thread, terminate: () => (ended++, thread.terminate()) };
  };
  return { start, handlers, numEnded: () => ended };
}

test("the first job gets the thread that was started early, whoever comes after it another", async () => {
  const { start, handlers } = counted();
  const early = startedEarly(start);
  assert.equal(handlers.length, 1);
  const [first, second] = [new StoppableWorker(early.start), new StoppableWorker(early.start)];
  assert.equal(await first.run("double", 4, options), 8);
  assert.equal(handlers.length, 1);
  assert.equal(await second.run("double", 5, options), 10);
  assert.equal(handlers.length, 2);
  early.close();
  assert.equal(await first.run("double", 6, options), 12);
  first.close();
  second.close();
});

test("one that nobody takes is ended, and one that failed before is not given out", async () => {
  const { start, handlers, numEnded } = counted();
  startedEarly(start).close();
  assert.equal(numEnded(), 1);
  const early = startedEarly(start);
  handlers[1]!.onFailure(new Error("no memory"));
  const worker = new StoppableWorker(early.start);
  assert.equal(await worker.run("double", 4, options), 8);
  assert.equal(handlers.length, 3);
  early.close();
  worker.close();
});
