/**
 * The ways in which an audit reads a text: the model as it is, with its memory off, with other rows, with its gate
 * held, with a part of its memory alone. Knows models and views; computes nothing itself.
 */
import { InvalidConfigError } from "../../errors.ts";
import type { LanguageModel, TokenStream, View } from "../../inference/index.ts";
import type { Model } from "../../open-model.ts";
import {
  ablated,
  type HashedMemory,
  type Memory,
  meanRows,
  noiseRows,
  shuffledRows,
  type TokenSpan,
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
  /** Mean gate of each layer as the model reads the text. */
  readonly gates: ReadonlyMap<number, number>;
  readonly donor?: Model | undefined;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
}

/** The ways beside the model as it is and its memory off. */
export async function pathsOf(
  { rows: own, language }: Model,
  options: PathsOptions,
): Promise<Path[]> {
  if (own === undefined) return [];
  const { text, gates, donor, seed, signal } = options;
  const { maxNgramSize, numHeads } = own.addressing.layout.config;
  const orders = Array.from({ length: maxNgramSize - 1 }, (_, i) => i + 2);
  const heads = Array.from({ length: numHeads }, (_, head) => head);
  // Counts, if there are some, stay as they are.
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
  return [
    rows("rows shuffled", shuffledRows(own, { seed })),
    rows("rows' mean", await meanRows(own, documentsOf(text), { signal })),
    rows("noise of rows' lengths", noiseRows(own, { seed })),
    ...(donor?.rows === undefined ? [] : [rows("donor's table", donor.rows)]),
    gate("gate at its mean", (layer) => gates.get(layer)!),
    gate("gate at 0.5", () => 0.5),
    ...(orders.length < 2 ? [] : orders).map((order): Path => {
      const others = orders.filter((other) => other !== order);
      return {
        group: "parts",
        name: `order ${order} alone`,
        view: { memory: memory(ablated(own, { orders: others })) },
      };
    }),
    ...(heads.length < 2 ? [] : heads).map((head): Path => {
      const others = heads.filter((other) => other !== head);
      return {
        group: "parts",
        name: `head ${head} alone`,
        view: { memory: memory(ablated(own, { heads: others })) },
      };
    }),
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

/** Throws `InvalidConfigError` unless ids mean the same to both, so that their readings can be paired. */
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

/** Throws `InvalidConfigError` unless the donor's memory can stand in for the model's. */
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
