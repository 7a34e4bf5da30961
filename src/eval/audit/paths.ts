/**
 * The ways in which an audit reads a text: the model as it is, with its memory off, with other rows or counts, with fixed
 * gates or fixed weights of the counts, with a part of its memory alone. Knows models and views; computes nothing itself.
 */
import { InvalidConfigError } from "../../errors.ts";
import type { LanguageModel, TokenStream, View } from "../../inference/index.ts";
import type { Model } from "../../opened-model.ts";
import {
  ablated,
  type Ablation,
  type CountedMemory,
  type HashedMemory,
  type Memory,
  meanRows,
  noiseRows,
  shuffledRows,
  type TokenSpan,
  withCounts,
  withRows,
} from "../../memory/index.ts";
import type { Group } from "./report.ts";

export interface Path {
  readonly group: Group;
  readonly name: string;
  readonly view: Partial<View>;
}

export interface PathsOptions {
  readonly text: TokenStream;
  /** Mean gate of each layer, and mean weights of the mixture, as the model reads the text. */
  readonly gates: ReadonlyMap<number, number>;
  readonly mixture: readonly number[];
  readonly donor?: Model | undefined;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
}

/** All ways except the model as it is and with its memory off. With two kinds of memory, only one changes at a time. */
export async function pathsOf(model: Model, options: PathsOptions): Promise<Path[]> {
  const { rows, counts } = model;
  return [
    ...(rows === undefined ? [] : await pathsOfRows(model, rows, options)),
    ...(counts === undefined ? [] : pathsOfCounts(model, counts, options)),
  ];
}

async function pathsOfRows(
  { counts, language }: Model,
  own: HashedMemory,
  { text, gates, donor, seed, signal }: PathsOptions,
): Promise<Path[]> {
  const { layerIds, maxNgramSize, numHeads } = own.addressing.layout.config;
  const orders = Array.from({ length: maxNgramSize - 1 }, (_, i) => i + 2);
  const heads = Array.from({ length: numHeads }, (_, head) => head);
  const memory = (other: HashedMemory): Memory => withRows(language.memory!, () => other);
  const rows = (name: string, other: HashedMemory): Path => ({
    group: "rows",
    name,
    view: { memory: memory(other) },
  });
  const gate = (name: string, gateOf: (layer: number) => number): Path => ({
    group: "gate",
    name,
    view: { gates: new Map([...gates.keys()].map((layer) => [layer, gateOf(layer)])) },
  });
  const part = (name: string, without: Ablation): Path => ({
    group: "parts",
    name,
    view: { memory: memory(ablated(own, without)) },
  });
  const others = (all: readonly number[], one: number): number[] =>
    all.filter((other) => other !== one);
  return [
    rows("rows shuffled", shuffledRows(own, { seed })),
    rows("rows' mean", await meanRows(own, documentsOf(text), { signal })),
    rows("noise of rows' lengths", noiseRows(own, { seed })),
    ...(donor?.rows === undefined ? [] : [rows("donor's table", donor.rows)]),
    gate("gate at its mean", (layer) => gates.get(layer)!),
    gate("gate at 0.5", () => 0.5),
    ...(counts === undefined ? [] : [part("counts alone", { layers: layerIds })]),
    ...(orders.length < 2 ? [] : orders).map((order) =>
      part(`order ${order} alone`, { orders: others(orders, order) }),
    ),
    ...(heads.length < 2 ? [] : heads).map((head) =>
      part(`head ${head} alone`, { heads: others(heads, head) }),
    ),
  ];
}

function pathsOfCounts(
  { rows, language }: Model,
  { numDistributions }: CountedMemory,
  { mixture, donor }: PathsOptions,
): Path[] {
  const view = (group: Group, name: string, mixed: View["mixture"]): Path => ({
    group,
    name,
    view: { mixture: mixed },
  });
  const orders = Array.from({ length: numDistributions }, (_, i) => i + 2);
  return [
    ...(donor?.counts === undefined
      ? []
      : [
          {
            group: "rows" as const,
            name: "donor's counts",
            view: { memory: withCounts(language.memory!, donor.counts) },
          },
        ]),
    view("mixture", "weights at their mean", { held: mixture }),
    view("mixture", "weights all equal", { held: mixture.map(() => 1 / mixture.length) }),
    ...(rows === undefined ? [] : [view("parts", "rows alone", { odds: orders.map(() => 0) })]),
    ...(orders.length < 2 ? [] : orders).map((order) =>
      view("parts", `counts of order ${order} alone`, {
        odds: orders.map((other) => (other === order ? 1 : 0)),
      }),
    ),
  ];
}

function documentsOf({ tokens, starts }: TokenStream): TokenSpan[] {
  return Array.from(starts, (from, d) => ({
    ids: tokens,
    begin: from,
    from,
    to: starts[d + 1] ?? tokens.length,
  }));
}

/** Throws `InvalidConfigError` unless both models have the same token ids, so that readings can be paired. */
export function checkSameTokens(model: Model, other: Model): void {
  const [ours, theirs] = [model.tokenizer, other.tokenizer];
  const bytesOf = (tokenizer: typeof ours, id: number): string =>
    tokenizer.tokenBytes(id).join(" ");
  let differs = ours.vocabSize !== theirs.vocabSize || ours.eosTokenId !== theirs.eosTokenId;
  for (let id = 0; id < ours.vocabSize && !differs; id++)
    differs = bytesOf(ours, id) !== bytesOf(theirs, id);
  if (differs)
    throw new InvalidConfigError(
      `${other.path} has another tokenizer than ${model.path}, so their readings cannot be compared token by token; ` +
        "train it with --tokenizer and the other's tokenizer.json",
    );
}

/** Throws `InvalidConfigError` unless the donor's memory fits the model. */
export function checkDonor(model: Model, donor: Model): void {
  checkSameTokens(model, donor);
  const inputsOf = ({ memory }: LanguageModel): string =>
    memory?.inputs.map(({ layerId, width }) => `layer ${layerId}: ${width}`).join(", ") ?? "none";
  const [ours, theirs] = [model, donor].map(({ language }) => inputsOf(language));
  if (ours !== theirs)
    throw new InvalidConfigError(
      `${donor.path} cannot lend its memory to ${model.path}: numbers a position are ${theirs} there and ${ours} here`,
    );
}
