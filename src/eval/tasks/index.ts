/** Benchmarks: tasks that a file describes, with the figures that lm-evaluation-harness would give. */
export { type Difference, differences } from "./difference.ts";
export {
  type EvaluateOptions,
  evaluateSet,
  type Judge,
  type SetResult,
  type Subject,
  type TaskResult,
} from "./evaluate.ts";
export { groupedTasks, type Task, type TaskSet } from "./group.ts";
export { judgeTasks, type JudgeTask } from "./judge.ts";
export { harnessResults, type HarnessResults } from "./results.ts";
export { METRIC_KINDS } from "./metrics.ts";
export { sampleLines } from "./sample-log.ts";
export { harnessTable, markdown } from "./table.ts";
export { parseTaskFile } from "./task-file.ts";
export type { TaskFile } from "./task-type.ts";
