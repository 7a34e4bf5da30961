/**
 * The gain of one view of a model over another on the same documents, paired document by document. And how much larger
 * this gain is in each group than in the first one, the control. Knows results; not models.
 */
import { InvariantError } from "../../errors.ts";
import { ratioOfSums } from "../ratio.ts";
import { METRIC_KINDS } from "./metrics.ts";
import type { Figure, SetResult } from "./evaluate.ts";

export interface Difference {
  readonly task: string;
  readonly metric: string;
  readonly filter: string;
  /** Unit of the difference. For perplexities: nats per target, word or byte. */
  readonly unit: string;
  readonly value: number;
  /** From the paired documents; undefined if there is only one. */
  readonly standardError: number | undefined;
  readonly numDocuments: number;
  /** The difference minus that of the group's first part (a difference of differences), with its two-sided p. */
  readonly overControl?: {
    readonly control: string;
    readonly value: number;
    readonly standardError: number;
    /** Undefined if a group is too small for the normal approximation. */
    readonly p: number | undefined;
  };
}

/** `ones` minus `others`, on the same tasks. */
export function differences(
  ones: readonly SetResult[],
  others: readonly SetResult[],
): Difference[] {
  return ones.flatMap(({ set, results }, s) => {
    const found = results.map((result, r) =>
      result.figures.map((figure, f) =>
        difference(result.task.name, figure, others[s]!.results[r]!.figures[f]!),
      ),
    );
    if (set.file.group_by === undefined) return found.flat();
    const control = found[0]!;
    return found.flatMap((part, r) =>
      r === 0 ? part : part.map((one, f) => withControl(one, control[f]!)),
    );
  });
}

function difference(task: string, one: Figure, other: Figure): Difference {
  const { metric, filter } = one;
  const { aggregation } = METRIC_KINDS[metric];
  if (one.values.length !== other.values.length)
    throw new InvariantError(`${task}: the two results have different documents`);
  // Bits and nats are costs; the values are log-likelihoods.
  const factor = { mean: 1, perplexity: -1, weighted_perplexity: -1, bits_per_byte: -1 / Math.LN2 };
  const unit = {
    mean: metric,
    perplexity: "nats a target",
    weighted_perplexity: metric === "word_perplexity" ? "nats a word" : "nats a byte",
    bits_per_byte: "bits a byte",
  };
  const pairs = one.values.map(({ value, weight }, i) => ({
    value: factor[aggregation] * (value - other.values[i]!.value),
    weight,
  }));
  return {
    task,
    metric,
    filter,
    unit: unit[aggregation],
    ...ratioOfSums(pairs),
    numDocuments: pairs.length,
  };
}

/** With fewer documents, a mean has heavier tails than a normal distribution. */
const leastDocuments = 30;

function withControl(one: Difference, control: Difference): Difference {
  if (one.standardError === undefined || control.standardError === undefined) return one;
  const value = one.value - control.value;
  const standardError = Math.hypot(one.standardError, control.standardError);
  const isLarge = Math.min(one.numDocuments, control.numDocuments) >= leastDocuments;
  const p = isLarge && standardError > 0 ? twoSided(value / standardError) : undefined;
  return { ...one, overControl: { control: control.task, value, standardError, p } };
}

/** P(|Z| >= |z|) of a standard normal: the error function's series near 0, its continued fraction beyond. */
export function twoSided(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  return x < 2 ? 1 - erfSeries(x) : erfcFraction(x);
}

function erfSeries(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; n < 60; n++) {
    term *= -(x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

/** erfc(x) = exp(-x^2) / (sqrt(pi) (x + (1/2)/(x + 1/(x + (3/2)/(x + ...))))). */
function erfcFraction(x: number): number {
  let fraction = x;
  for (let k = 60; k > 0; k--) fraction = x + k / 2 / fraction;
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * fraction);
}
