/**
 * The log-likelihood of given ids after given ids, for many requests together, and whether the model would have chosen
 * them itself. Knows ids and nats; not texts or tasks.
 */
import { Scorer, type LanguageModel, type View } from "../../inference/index.ts";
import type { TokenRequest } from "./encode-requests.ts";
import { packRequests } from "./pack-requests.ts";

export interface Scored {
  /** Sum of ln p over the scored tokens. */
  readonly logLikelihood: number;
  /** Whether each of them was the most likely one. */
  readonly isGreedy: boolean;
}

export interface ScoreRequestsOptions {
  readonly view: Partial<View>;
  /** The most tokens that the model reads. */
  readonly context: number;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Probabilities in one run: 64 MiB of them. */
const MAX_CHANCES = 2 ** 24;

/** Smaller probabilities have few significant digits in float32, or none. */
const LEAST_CHANCE = 1e-30;

export async function scoreRequests(
  model: LanguageModel,
  requests: readonly TokenRequest[],
  options: ScoreRequestsOptions,
): Promise<Scored[]> {
  const scores: Scored[] = Array(requests.length);
  const alone = await scoreGroups(model, requests, {
    ...options,
    groups: groupsOf(requests),
    into: scores,
  });
  const groups = alone.map((request) => [request]);
  await scoreGroups(model, requests, { ...options, groups, into: scores });
  return scores;
}

/** Groups consecutive requests that differ only in their last id. One reading is enough for all of them. */
function groupsOf(requests: readonly TokenRequest[]): number[][] {
  const groups: number[][] = [];
  for (const [i, request] of requests.entries()) {
    const group = groups.at(-1);
    if (group !== undefined && readsAs(requests[group[0]!]!, request)) group.push(i);
    else groups.push([i]);
  }
  return groups;
}

function readsAs(one: TokenRequest, other: TokenRequest): boolean {
  const length = one.ids.length;
  if (other.ids.length !== length || other.begin !== one.begin) return false;
  for (let t = 0; t < length - 1; t++) if (one.ids[t] !== other.ids[t]) return false;
  return true;
}

/** Fills `into`. Resolves to the requests that need a reading of their own because their last token is too unlikely. */
async function scoreGroups(
  model: LanguageModel,
  requests: readonly TokenRequest[],
  options: ScoreRequestsOptions & { groups: readonly (readonly number[])[]; into: Scored[] },
): Promise<number[]> {
  const { view, context, onProgress, signal, groups, into } = options;
  if (groups.length === 0) return [];
  const { vocabSize } = model.config;
  const read = groups.map(([first]) => requests[first!]!);
  const { stream, width, numWindows, requestAt } = packRequests(read, { most: context + 1 });
  const batch = Math.max(1, Math.min(8, numWindows, Math.floor(MAX_CHANCES / (width * vocabSize))));
  await using scorer = await Scorer.create(model, { batch, length: width, probs: true, view });
  const chances = scorer.probs!.data as Float32Array;
  const nats = new Float64Array(groups.length);
  const isGreedy = new Uint8Array(groups.length).fill(1);
  const alone: number[] = [];
  const running = {
    stride: width,
    ...(onProgress && { onProgress }),
    ...(signal && { signal }),
  };
  for await (const { tokens, losses } of scorer.batches(stream, running))
    for (const { at, label } of tokens) {
      const group = requestAt[label]!;
      if (group < 0) continue;
      const row = chances.subarray(at * vocabSize, (at + 1) * vocabSize);
      const before = { nats: nats[group]!, isGreedy: isGreedy[group] === 1 };
      const scoredBy = (loss: number, id: number): Scored => ({
        logLikelihood: -(before.nats + loss),
        isGreedy: before.isGreedy && isLargest(row, id),
      });
      const own = scoredBy(losses[at]!, stream.tokens[label]!);
      nats[group] = -own.logLikelihood;
      isGreedy[group] = own.isGreedy ? 1 : 0;
      if (requestAt[label + 1] === group) continue;
      const [first, ...others] = groups[group]!;
      into[first!] = own;
      for (const other of others) {
        const id = requests[other]!.ids.at(-1)!;
        if (row[id]! < LEAST_CHANCE) alone.push(other);
        else into[other] = scoredBy(-Math.log(row[id]!), id);
      }
    }
  return alone;
}

/** Among equal values each counts as the largest, as in the server's answers. */
function isLargest(row: Float32Array, id: number): boolean {
  const own = row[id]!;
  for (const chance of row) if (chance > own) return false;
  return true;
}
