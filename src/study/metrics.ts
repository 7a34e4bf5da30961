/**
 * What a study can measure of a run, by name: bits per byte of the held-out text, and every figure of its benchmarks.
 * Knows what a run's result says; measures nothing.
 */
import { METRIC_KINDS, type TaskSet } from "../eval/tasks/index.ts";

/** What is known of a trained, or of a measured, model. */
export interface Measured {
  /** Of the held-out text, as the model is. What training without a memory gives is an arm with "memory": false. */
  readonly bitsPerByte: number;
  /** The same model with its memory switched off; undefined without one. */
  readonly bitsPerByteWithoutMemory: number | undefined;
  /** Figures of benchmarks by the metric's name. */
  readonly tasks?: Readonly<Record<string, number>>;
}

export interface Metric {
  readonly unit: string;
  readonly needsMemory: boolean;
  readonly isOfTask: boolean;
  readonly of: (measured: Measured) => number | undefined;
}

const ofText: Readonly<Record<string, Metric>> = {
  bitsPerByte: {
    unit: "bits per byte",
    needsMemory: false,
    isOfTask: false,
    of: ({ bitsPerByte }) => bitsPerByte,
  },
  bitsPerByteMemoryOff: {
    unit: "bits per byte",
    needsMemory: true,
    isOfTask: false,
    of: ({ bitsPerByteWithoutMemory }) => bitsPerByteWithoutMemory,
  },
};

/** "lambada/acc,none": a task's figure by its name in the table of `engram eval --tasks`; "/off" with the memory off. */
const taskMetric = /^[\w.-]{1,200}\/([a-z_]{1,40}),[^/]{1,100}?(\/off)?$/;

/** undefined for a name that no metric can have. Whether a task has it, `taskMetrics` tells. */
export function metricOf(name: string): Metric | undefined {
  if (Object.hasOwn(ofText, name)) return ofText[name];
  const [, figure, off] = taskMetric.exec(name) ?? [];
  if (figure === undefined || !Object.hasOwn(METRIC_KINDS, figure)) return undefined;
  const { higherIsBetter } = METRIC_KINDS[figure as keyof typeof METRIC_KINDS];
  return {
    unit: `${figure}, ${higherIsBetter ? "more" : "less"} is better`,
    needsMemory: off !== undefined,
    isOfTask: true,
    of: ({ tasks }) => tasks?.[name],
  };
}

export const metricWords: string = `${Object.keys(ofText).join(", ")}, and of "tasks" such as lambada/acc,none or lambada/acc,none/off`;

/** Every name that a task's figures have. */
export function taskMetrics({ name, file, isGroup, tasks }: TaskSet): string[] {
  const isGenerated = file.output_type === "generate_until";
  const filters = isGenerated ? file.filter_list : file.filter_list.slice(0, 1);
  const named = (task: string, isMean: boolean): string[] =>
    file.metric_list
      .filter(({ metric }) => !isMean || METRIC_KINDS[metric].aggregation === "mean")
      .flatMap(({ metric }) => filters.map((filter) => `${task}/${metric},${filter.name}`))
      .flatMap((one) => [one, `${one}/off`]);
  return [
    ...(isGroup ? named(name, true) : []),
    ...tasks.flatMap((task) => named(task.name, false)),
  ];
}
