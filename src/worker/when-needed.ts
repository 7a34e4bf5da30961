/** A worker whose code is loaded with its first job: a page that sends none does without. */
import { whenNeeded } from "../when-needed.ts";
import type { StartWorker } from "./worker-thread.ts";
import type { StoppableWorker, StoppableWorkerOptions } from "./stoppable-worker.ts";

export type LazyWorker = Pick<StoppableWorker, "run" | "close">;

export function workerWhenNeeded(start: StartWorker, options: StoppableWorkerOptions): LazyWorker {
  let isClosed = false;
  const load = whenNeeded(async () => {
    const module = await import("./stoppable-worker.ts");
    const worker = new module.StoppableWorker(start, options);
    if (isClosed) worker.close();
    return worker;
  });
  return {
    run: async (...job) => (await load()).run(...job),
    close: () => {
      isClosed = true;
      void load.ifMade((worker) => worker.close());
    },
  };
}
