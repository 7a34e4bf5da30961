/**
 * Results of task sets in the shape of lm-evaluation-harness' results file, groups with the figures of their parts.
 * Knows figures; not models or how they are shown.
 */
import type { Figure, SetResult } from "./evaluate.ts";
import { groupMean, groupStandardError, METRIC_KINDS } from "./metrics.ts";

/** `"acc,none"`, `"acc_stderr,none"` and so on; "N/A" if there is no standard error. */
export type FiguresByKey = Readonly<Record<string, number | string>>;

export interface HarnessResults {
  readonly results: Readonly<Record<string, FiguresByKey>>;
  readonly group_subtasks: Readonly<Record<string, readonly string[]>>;
  readonly versions: Readonly<Record<string, number>>;
  readonly "n-shot": Readonly<Record<string, number>>;
  readonly higher_is_better: Readonly<Record<string, Readonly<Record<string, boolean>>>>;
  readonly "n-samples": Readonly<
    Record<string, { readonly original: number; readonly effective: number }>
  >;
}

/** Figures by task, with the names of keys that lm-evaluation-harness writes. */
export function harnessResults(sets: readonly SetResult[]): HarnessResults {
  const results: Record<string, FiguresByKey> = {};
  const subtasks: Record<string, readonly string[]> = {};
  const versions: Record<string, number> = {};
  const shots: Record<string, number> = {};
  const better: Record<string, Record<string, boolean>> = {};
  const samples: Record<string, { original: number; effective: number }> = {};
  for (const { set, results: parts } of sets) {
    const { file } = set;
    const directions = Object.fromEntries(
      (parts[0]?.figures ?? []).map(({ metric, higherIsBetter }) => [metric, higherIsBetter]),
    );
    if (set.isGroup) {
      results[set.name] = groupFigures({ set, results: parts });
      versions[set.name] = file.version;
      shots[set.name] = parts[0]?.numFewShot ?? 0;
      better[set.name] = directions;
      subtasks[set.name] = parts.map(({ task }) => task.name);
    }
    for (const { task, numFewShot, figures, samples: own } of parts) {
      const count = own.length;
      results[task.name] = { ...named(task.name, count), ...byKey(figures) };
      if (!set.isGroup) subtasks[task.name] = [];
      versions[task.name] = file.version;
      shots[task.name] = numFewShot;
      better[task.name] = directions;
      samples[task.name] = { original: task.documents.length, effective: count };
    }
  }
  return {
    results,
    group_subtasks: subtasks,
    versions,
    "n-shot": shots,
    higher_is_better: better,
    "n-samples": samples,
  };
}

function named(name: string, count: number): Record<string, string | number> {
  return { name, alias: name, sample_len: count };
}

type KeyedFigure = Pick<Figure, "metric" | "filter" | "value" | "standardError">;

function byKey(figures: readonly KeyedFigure[]): FiguresByKey {
  return Object.fromEntries(
    figures.flatMap(({ metric, filter, value, standardError }) => [
      [`${metric},${filter}`, value],
      [`${metric}_stderr,${filter}`, standardError ?? "N/A"],
    ]),
  );
}

/** For metrics that are means over documents. A mean of perplexities would be meaningless. */
function groupFigures({ set, results }: SetResult): FiguresByKey {
  const weightBySize = set.file.weight_by_size;
  const total = results.reduce((sum, { samples }) => sum + samples.length, 0);
  const figures: KeyedFigure[] = [];
  for (const [f, { metric, filter }] of (results[0]?.figures ?? []).entries()) {
    if (METRIC_KINDS[metric].aggregation !== "mean") continue;
    const parts = results.map(({ figures: own, samples }) => ({
      value: own[f]!.value,
      standardError: own[f]!.standardError,
      count: samples.length,
    }));
    const withErrors = parts.flatMap(({ standardError, count }) =>
      standardError === undefined ? [] : [{ standardError, count }],
    );
    figures.push({
      metric,
      filter,
      value: groupMean(parts, weightBySize),
      standardError:
        withErrors.length === parts.length
          ? groupStandardError(withErrors, weightBySize)
          : undefined,
    });
  }
  return { ...named(set.name, total), ...byKey(figures) };
}
