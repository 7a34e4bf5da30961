/**
 * The value of each metric for one document, and how documents are aggregated to one figure with its standard error:
 * the definitions of lm-evaluation-harness 0.4. Knows numbers; not models or tokens.
 */
import { InvariantError } from "../../errors.ts";
import { nextTurn } from "../../next-turn.ts";
import type { Unit } from "../ratio.ts";
import type { Item } from "./items.ts";
import { countWords, numBytes, numCharacters } from "./python-text.ts";
import { PythonRandom } from "./python-random.ts";
import type { Scored } from "./score-requests.ts";
import type { MetricName } from "./task-type.ts";

/** Nats of one document's text, and its number of words or bytes. For other metrics `weight` is 1. */
export type MetricValue = Unit;

export type Aggregation = "mean" | "perplexity" | "weighted_perplexity" | "bits_per_byte";

interface MetricKind {
  readonly aggregation: Aggregation;
  readonly higherIsBetter: boolean;
}

const meanOfDocuments: MetricKind = { aggregation: "mean", higherIsBetter: true };

export const METRIC_KINDS: Readonly<Record<MetricName, MetricKind>> = {
  acc: meanOfDocuments,
  acc_norm: meanOfDocuments,
  acc_bytes: meanOfDocuments,
  exact_match: meanOfDocuments,
  contains: meanOfDocuments,
  log_likelihood: meanOfDocuments,
  perplexity: { aggregation: "perplexity", higherIsBetter: false },
  word_perplexity: { aggregation: "weighted_perplexity", higherIsBetter: false },
  byte_perplexity: { aggregation: "weighted_perplexity", higherIsBetter: false },
  bits_per_byte: { aggregation: "bits_per_byte", higherIsBetter: false },
};

/** The value of `metric` for a document whose requests were scored. */
export function valueOf(metric: MetricName, item: Item, scored: readonly Scored[]): MetricValue {
  const one = (value: number): MetricValue => ({ value, weight: 1 });
  const [first] = scored;
  if (item.request.kind === "rolling") {
    const value = scored.reduce((sum, { logLikelihood }) => sum + logLikelihood, 0);
    const { text } = item.request;
    return { value, weight: metric === "word_perplexity" ? countWords(text) : numBytes(text) };
  }
  if (item.target.kind === "text") {
    if (metric === "acc") return one(first!.isGreedy ? 1 : 0);
    return one(first!.logLikelihood);
  }
  const { indices } = item.target;
  if (metric === "exact_match") return one(indices.some((i) => scored[i]!.isGreedy) ? 1 : 0);
  const sizeOf = sizes[metric];
  if (sizeOf === undefined)
    throw new InvariantError(`multiple choice does not have the metric ${metric}`);
  const best = indexOfLargest(
    scored.map(({ logLikelihood }, i) => logLikelihood / sizeOf(item.choices[i]!)),
  );
  return one(indices.includes(best) ? 1 : 0);
}

/** The divisor of a choice's log-likelihood, before the largest is chosen. */
const sizes: Readonly<Partial<Record<MetricName, (choice: string) => number>>> = {
  acc: () => 1,
  acc_norm: numCharacters,
  acc_bytes: numBytes,
};

/** The first of equal ones. A choice without characters has no length to divide by, and is never chosen. */
function indexOfLargest(values: readonly number[]): number {
  let best = 0;
  for (const [i, value] of values.entries()) if (value > values[best]!) best = i;
  return best;
}

export function aggregate(aggregation: Aggregation, values: readonly MetricValue[]): number {
  const sum = values.reduce((total, { value }) => total + value, 0);
  const mean = sum / values.reduce((total, { weight }) => total + weight, 0);
  if (aggregation === "mean") return mean;
  return aggregation === "bits_per_byte" ? -mean / Math.LN2 : Math.exp(-mean);
}

/** Number of bootstrap samples, as in the harness, and how many are drawn from each seed. */
const BOOTSTRAP_ITERATIONS = 100_000;
const CHUNK = 1000;

/**
 * The standard error of `aggregate`: in closed form for means, by bootstrap for perplexity. Undefined where the harness
 * gives none: for one document, and for perplexities of whole texts.
 */
export async function standardError(
  aggregation: Aggregation,
  values: readonly MetricValue[],
  { bootstrap = true, signal }: { bootstrap?: boolean; signal?: AbortSignal | undefined },
): Promise<number | undefined> {
  if (values.length < 2) return undefined;
  const plain = values.map(({ value }) => value);
  if (aggregation === "mean") return sampleDeviation(plain) / Math.sqrt(plain.length);
  if (aggregation !== "perplexity" || !bootstrap) return undefined;
  const replicates: number[] = [];
  for (let seed = 0; seed < BOOTSTRAP_ITERATIONS / CHUNK; seed++) {
    signal?.throwIfAborted();
    // Lets other work on this thread run, and an abort arrive.
    await nextTurn();
    const random = new PythonRandom(seed);
    for (let i = 0; i < CHUNK; i++)
      replicates.push(Math.exp(-random.sumOfChoices(plain) / plain.length));
  }
  return sampleDeviation(replicates);
}

function sampleDeviation(values: readonly number[]): number {
  const center = values.reduce((sum, x) => sum + x, 0) / values.length;
  return Math.sqrt(values.reduce((sum, x) => sum + (x - center) ** 2, 0) / (values.length - 1));
}

/** A group's figure from those of its tasks, weighted by their documents or equally. */
export function groupMean(
  parts: readonly { readonly value: number; readonly count: number }[],
  weightBySize: boolean,
): number {
  const weights = parts.map(({ count }) => (weightBySize ? count : 1));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return parts.reduce((sum, { value }, i) => sum + value * weights[i]!, 0) / total;
}

/** The harness' pooled error of a weighted mean, or that of a mean of independent means. */
export function groupStandardError(
  parts: readonly { readonly standardError: number; readonly count: number }[],
  weightBySize: boolean,
): number {
  if (!weightBySize)
    return Math.sqrt(parts.reduce((sum, p) => sum + p.standardError ** 2, 0)) / parts.length;
  const total = parts.reduce((sum, { count }) => sum + count, 0);
  const pooled =
    parts.reduce((sum, p) => sum + (p.count - 1) * p.standardError ** 2 * p.count, 0) /
    (total - parts.length);
  return Math.sqrt(pooled / total);
}
