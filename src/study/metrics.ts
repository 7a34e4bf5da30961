/** What a study can measure of a run, by name. Lower is better. Knows what a run's result says; measures nothing. */

/** What is known of a trained, or of a measured, model. */
export interface Measured {
  readonly bitsPerByte: number;
  /** undefined without a memory. */
  readonly bitsPerByteWithoutMemory: number | undefined;
}

export interface Metric {
  readonly unit: string;
  readonly needsMemory: boolean;
  readonly of: (measured: Measured) => number | undefined;
}

export type MetricName = "bitsPerByte" | "bitsPerByteMemoryOff";

export const metrics: Readonly<Record<MetricName, Metric>> = {
  /** Of the held-out text, as the model is. What training without a memory gives is an arm with "memory": false. */
  bitsPerByte: {
    unit: "bits per byte",
    needsMemory: false,
    of: ({ bitsPerByte }) => bitsPerByte,
  },
  /** The same model with its memory switched off. */
  bitsPerByteMemoryOff: {
    unit: "bits per byte",
    needsMemory: true,
    of: ({ bitsPerByteWithoutMemory }) => bitsPerByteWithoutMemory,
  },
};
export const metricNames: readonly MetricName[] = Object.keys(metrics) as MetricName[];
