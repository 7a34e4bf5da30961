/** Judges answers on a thread of Node, which is stopped if a task's patterns take too long. */
import { StoppableWorker } from "../../../worker/index.ts";
import { nodeWorker } from "../../../worker/node/index.ts";
import type { Judge } from "../evaluate.ts";
import type { Judged } from "../judge.ts";

const startJudge = nodeWorker("judge-program", { from: import.meta.url, heapMiB: 512 });

/** Answers in one batch, and its time limit: a thousand times what normal patterns need. */
const batch = 1000;
const limit = 10_000;

export interface OpenJudge extends Disposable {
  readonly judge: Judge;
}

/**
 * A thread that judges answers by the patterns of tasks, which are untrusted: it is ended when a batch of answers takes
 * longer than `patience`, in milliseconds.
 */
export function openJudge({ patience = limit }: { patience?: number } = {}): OpenJudge {
  const worker = new StoppableWorker(startJudge);
  const judge: Judge = async (task, signal) => {
    const all: Judged[] = [];
    // Runs at least once, so that invalid patterns are refused even without answers.
    for (let at = 0; at === 0 || at < task.answers.length; at += batch) {
      const input = { ...task, answers: task.answers.slice(at, at + batch) };
      const tooSlow = "the task's patterns did not come to an end";
      all.push(
        ...((await worker.run("judge", input, { limit: patience, tooSlow, signal })) as Judged[]),
      );
    }
    return all;
  };
  return { judge, [Symbol.dispose]: () => worker.close() };
}
