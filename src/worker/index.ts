/** Public names of workers: work that can be stopped at any point. */
export type { StartWorker, WorkerHandlers, WorkerThread } from "./worker-thread.ts";
export { StoppableWorker } from "./stoppable-worker.ts";
export type { RunOptions, StoppableWorkerOptions } from "./stoppable-worker.ts";
export {
  answerTasks,
  describeError,
  errorOf,
  type ErrorDescription,
  type Tasks,
} from "./answer-tasks.ts";
export { type EarlyWorker, startedEarly } from "./started-early.ts";
export { onThisThread } from "./on-this-thread.ts";
export { type LazyWorker, workerWhenNeeded } from "./when-needed.ts";
