/** A worker whose code is loaded with its first job: a page that sends none does without. */
import type { StartWorker } from "./worker-thread.ts";
import type { StoppableWorker, StoppableWorkerOptions } from "./stoppable-worker.ts";

export type LazyWorker = Pick<StoppableWorker, "run" | "close">;

export function workerWhenNeeded(start: StartWorker, options: StoppableWorkerOptions): LazyWorker {
  let loaded: Promise<StoppableWorker> | undefined;
  let isClosed = false;
  const load = async (): Promise<StoppableWorker> => {
    const module = await import("./stoppable-worker.ts");
    const worker = new module.StoppableWorker(start, options);
    if (isClosed) worker.close();
    return worker;
  };
  return {
    run: async (...job) => (await (loaded ??= load())).run(...job),
    close: () => {
      isClosed = true;
      // Where its code could not be loaded, `run` says so.
      loaded?.then(
        (worker) => worker.close(),
        () => {},
      );
    },
  };
}
