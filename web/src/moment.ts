/** One place in a text, with all that is known of what the memory did there. Reads reports; asks nobody. */
import { type Ablation, hasRow } from "./ablation.ts";
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
  readonly rows: readonly { readonly layer: number; readonly row: number }[];
  readonly chances: readonly Chance[];
  readonly origin: Origin | undefined;
  readonly hasCounts: boolean;
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
  return {
    index,
    token,
    effect,
    context: origin?.texts ?? report.tokens.slice(first, index).map(({ text }) => text),
    layers,
    rows: rowsOf(layers),
    chances: chancesAt(report, index),
    origin,
    hasCounts: props.engram?.counted !== undefined,
    ablate: question.ablate,
  };
}

/** All rows that were read for the token are taken away. */
export function isForgotten({ rows, ablate }: Moment): boolean {
  return rows.length > 0 && rows.every((row) => hasRow(ablate, row));
}
