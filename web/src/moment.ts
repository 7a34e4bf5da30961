/** One place in a text, with all that is known of what the memory did there. Reads reports; asks nobody. */
import { type Ablation, isWithout, type PartsRead } from "./ablation.ts";
import { type Chance, chancesAt, saidAt } from "./chances.ts";
import { type Effect, effectAt } from "./effect.ts";
import type { Answer } from "./inspection.svelte.ts";
import { type Origin, originOf, type Tenants } from "./origin.ts";
import type { Props } from "./server-info.svelte.ts";
import { type LayerView, readingAfter, rowsOf } from "./token-view.ts";

export interface Moment {
  /** Of the token; the number of tokens stands for what comes next. */
  readonly index: number;
  readonly token: string;
  readonly effect: Effect;
  /** What the memory was read by, the oldest first. */
  readonly context: readonly string[];
  readonly layers: readonly LayerView[];
  /** What the memory read here: rows, and contexts behind which was counted. */
  readonly read: PartsRead;
  readonly chances: readonly Chance[];
  readonly origin: Origin | undefined;
  /** How far the counts are trusted, of 1; undefined without counts. */
  readonly trust: number | undefined;
  readonly ablate: Ablation;
}

export interface MomentOptions {
  readonly index: number;
  readonly tenants: Tenants;
  /** See `longestRead`. */
  readonly longest: number;
  readonly props: Props;
}

/** In tokens: the longest that any memory of the model looks back. */
export function longestRead({ engram }: Props): number {
  const ofRows = engram?.layerIds?.length ? (engram.maxNgramSize ?? 1) : 1;
  return Math.max(ofRows, (engram?.counted?.order ?? 2) - 1);
}

/** Of the counts in a prediction of the token at `index`: all that the model does not say itself. */
function trustAt({ counts }: Answer["report"], index: number): number | undefined {
  const weights = counts?.weights[index - 1];
  return weights && 1 - weights[0]!;
}

/** Undefined where nothing predicts the token. */
export function momentAt(
  { report, question }: Answer,
  { index, tenants, longest, props }: MomentOptions,
): Moment | undefined {
  const isNext = index >= report.tokens.length;
  const said = isNext ? (saidAt(report, index) ?? chancesAt(report, index)[0]) : undefined;
  const effect = said ?? effectAt(report, index);
  const token = said?.text ?? report.tokens[index]?.text;
  if (effect === undefined || token === undefined) return undefined;
  const layers = readingAfter(report, index - 1);
  const origin = originOf(layers, tenants);
  const first = Math.max(Math.min(report.num_hidden, index - 1), index - longest);
  const trust = trustAt(report, index);
  const reach = trust === undefined ? 0 : (props.engram?.counted?.order ?? 1) - 1;
  const ids = report.tokens.slice(Math.max(0, index - reach), index).map(({ id }) => id);
  return {
    index,
    token,
    effect,
    context:
      trust === undefined && origin !== undefined
        ? origin.texts
        : report.tokens.slice(first, index).map(({ text }) => text),
    layers,
    read: { rows: rowsOf(layers), contexts: ids.map((_, i) => ids.slice(i)) },
    chances: chancesAt(report, index),
    origin,
    trust,
    ablate: question.ablate,
  };
}

/** All that was read for the token is taken away. */
export function isForgotten({ read, ablate }: Moment): boolean {
  return isWithout(ablate, read);
}
