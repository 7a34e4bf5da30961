/**
 * Measures what a model's memory contributes. The same tokens are scored with the memory on and off, with other rows,
 * with fixed gates, with parts of the memory alone, by a model trained without memory, and by n-gram counts. Combines
 * readings and figures; the arithmetic is in the files beside it. Prints nothing.
 */
import { InvalidConfigError } from "../../errors.ts";
import { type LanguageModel, type TokenStream, withoutMemory } from "../../inference/index.ts";
import { readCorpusIndex, type ReadCorpusIndex } from "../../memory/index.ts";
import type { Model } from "../../opened-model.ts";
import { classesOf } from "./classes.ts";
import { continuations, placesIn } from "./continuations.ts";
import { LEAST_RUN, longestRuns } from "./copied.ts";
import { type Reading, countedReadings } from "./counting.ts";
import { meanNats, numBlocksOf, pairedDifference } from "./paired-blocks.ts";
import { checkDonor, checkSameTokens, pathsOf } from "./paths.ts";
import type { AuditReport, CopyReport, RowReport } from "./report.ts";
import { scoreText, type ScoredText } from "./scored-text.ts";

/** What is scored, and what stands beside the model. */
export interface AuditOptions {
  /** The text to score. */
  readonly text: TokenStream;
  /**
   * The training text, without any of `text`: for counting, copies, and what training saw. Default: the last alone, of
   * the n-grams that the model's own index has (`Model.corpus`).
   */
  readonly trained?: TokenStream | undefined;
  /** A model trained without memory, with the same tokenizer. */
  readonly without?: Model | undefined;
  /** A model whose memory replaces the model's own in one reading. */
  readonly donor?: Model | undefined;
  /** Seed of shuffles, noise and generated continuations. Default 0. */
  readonly seed?: number;
  readonly onProgress?: (what: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** The longest n-grams of a typical memory; used for models without memory. */
const DEFAULT_LONGEST = 3;

/**
 * Throws `InvalidConfigError` for models that do not fit together and for a text without tokens to score. Rejects with
 * the signal's reason when it is aborted.
 */
export async function audit(model: Model, options: AuditOptions): Promise<AuditReport> {
  const { text, trained, without, donor, seed = 0, signal, onProgress = () => undefined } = options;
  const { language } = model;
  const { memory } = language;
  if (without !== undefined) checkSameTokens(model, without);
  if (without?.hasMemory === true)
    throw new InvalidConfigError(
      `${without.path} has a memory; name a model that was trained without (engram train --no-memory)`,
    );
  if (donor !== undefined) checkDonor(model, donor);
  if (text.numBytes === 0) throw new InvalidConfigError("the text to score is empty");
  const base = memory === undefined ? "model" : "on";
  const models = new Map([[base, language]]);
  if (memory !== undefined) models.set("off", withoutMemory(language));
  if (without !== undefined) models.set("without", without.language);
  const score = (name: string, of: LanguageModel, view = {}): Promise<ScoredText> =>
    scoreText(of, text, {
      view,
      signal,
      onProgress: (done, total) => onProgress(`${name}: ${done}/${total} windows`),
    });
  const scored = new Map<string, ScoredText>();
  for (const [name, of] of models) scored.set(name, await score(name, of));
  const { at, windowStarts, gates, mixture, nats: ofBase } = scored.get(base)!;
  const natsOf = new Map(Array.from(scored, ([name, { nats }]) => [name, nats]));
  const readings = Array.from(natsOf, ([name, nats]): Reading => ({ group: "model", name, nats }));
  if (model.rows !== undefined) onProgress("reading the rows of the text");
  for (const { view, ...path } of await pathsOf(model, {
    text,
    gates,
    mixture,
    donor,
    seed,
    signal,
  }))
    readings.push({ ...path, nats: (await score(path.name, language, view)).nats });
  const { vocabSize } = model.config;
  const tableBytes = tableBytesOf(model);
  const counting = { vocabSize, text, at, models: natsOf, tableBytes, onProgress, signal };
  const counted = trained === undefined ? [] : await countedReadings({ trained, ...counting });
  readings.push(...counted);
  onProgress("classes of tokens");
  const longest =
    Math.max(
      model.rows?.addressing.layout.config.maxNgramSize ?? 0,
      model.counts?.table.order ?? 0,
    ) || DEFAULT_LONGEST;
  const best = bestAlone(counted);
  const index = trained === undefined ? await indexOf(model) : undefined;
  const classes = await classesOf({
    text,
    trained: trained ?? index,
    at,
    windowStarts,
    orders: Array.from({ length: longest - 1 }, (_, i) => i + 2),
    vocabSize,
    base: ofBase,
    others: new Map([
      ...[...natsOf].filter(([name]) => name !== base),
      ...(best === undefined ? [] : ([[best.name, best.nats]] as const)),
    ]),
    signal,
  });
  const copied =
    trained === undefined
      ? []
      : await copiesOf(model, { models, text, trained, seed, onProgress, signal });
  const bits = (natsPerToken: number): number =>
    (natsPerToken * at.length) / Math.LN2 / text.numBytes;
  const rowOf = ({ nats, ...row }: Reading): RowReport => {
    const natsPerToken = meanNats(nats);
    const isBase = nats === ofBase;
    const { mean, plusMinus } = pairedDifference(nats, ofBase);
    const difference = {
      natsPerToken: mean,
      bitsPerByte: bits(mean),
      plusMinusNatsPerToken: plusMinus ?? null,
      plusMinusBitsPerByte: plusMinus === undefined ? null : bits(plusMinus),
    };
    return {
      ...row,
      bitsPerByte: bits(natsPerToken),
      natsPerToken,
      difference: isBase ? null : difference,
    };
  };
  return {
    tokens: at.length,
    bytes: text.numBytes,
    blocks: numBlocksOf(at.length),
    base,
    contexts: {
      [base]: model.config.maxPositions,
      ...(without && { without: without.config.maxPositions }),
    },
    gates: Object.fromEntries(gates),
    mixture:
      mixture.length === 0
        ? null
        : Object.fromEntries(
            mixture.map((mean, i) => [i === 0 ? "backbone" : `order ${i + 1}`, mean]),
          ),
    seed,
    trained:
      trained === undefined ? null : { tokens: trained.tokens.length, bytes: trained.numBytes },
    corpus: index?.facts ?? null,
    tableBytes: tableBytes ?? null,
    rows: readings.map(rowOf),
    classes,
    leastCopiedTokens: LEAST_RUN,
    copied,
  };
}

/** What the model says of the text that it was trained on. */
async function indexOf(model: Model): Promise<ReadCorpusIndex | undefined> {
  const bytes = await model.corpus();
  if (bytes === undefined || model.rows === undefined) return undefined;
  const { addressing, tokenMap } = model.rows;
  return readCorpusIndex(bytes, { order: addressing.layout.config.maxNgramSize, tokenMap });
}

/** Bytes of all tables of a model; undefined without a memory. */
function tableBytesOf({ hasMemory, rows, counts }: Model): number | undefined {
  if (!hasMemory) return undefined;
  const ofRows = (rows?.tables ?? []).reduce(
    (n, { store }) => n + store.numRows * store.rowBytes,
    0,
  );
  return ofRows + (counts?.numBytes ?? 0);
}

/** The counts that predict the text best alone, without pruning or mixing. */
function bestAlone(counted: readonly Reading[]): Reading | undefined {
  return counted
    .filter(({ group, weights }) => group === "counting" && weights === undefined)
    .toSorted((one, other) => meanNats(one.nats) - meanNats(other.nats))[0];
}

const CONTINUED_PLACES = 16;
const PROMPT_TOKENS = 32;
const NEW_TOKENS = 96;

/** Continuations from positions of the text: with the memory, without it, and the text's own. */
async function copiesOf(
  { tokenizer }: Pick<Model, "tokenizer">,
  options: Required<Pick<AuditOptions, "text" | "seed" | "onProgress" | "signal">> & {
    readonly trained: TokenStream;
    readonly models: ReadonlyMap<string, LanguageModel>;
  },
): Promise<CopyReport[]> {
  const { text, trained, models, seed, signal, onProgress } = options;
  const context = Math.min(...Array.from(models.values(), ({ config }) => config.maxPositions));
  const promptTokens = Math.min(PROMPT_TOKENS, context >>> 2);
  const newTokens = Math.min(NEW_TOKENS, context - promptTokens);
  const places = placesIn(text, { count: CONTINUED_PLACES, promptTokens, newTokens });
  if (places.length === 0) return [];
  const written: [name: string, texts: readonly (readonly number[])[]][] = [
    ["the text itself", places.map(({ own }) => own)],
  ];
  for (const [name, language] of models)
    for (const [how, temperature] of [
      ["greedy", 0],
      ["drawn", 1],
    ] as const)
      written.push([
        `${name}, ${how}`,
        await continuations(language, places, {
          temperature,
          seed,
          signal,
          onProgress: (done, total) => onProgress(`${name}, ${how}: ${done}/${total} tokens`),
        }),
      ]);
  onProgress("looking for copies in the training text");
  const runs = await longestRuns(
    written.flatMap(([, texts]) => texts),
    trained,
    { signal },
  );
  return written.map(([name, texts], w) => {
    const own = runs.slice(w * places.length, (w + 1) * places.length);
    const lengths = own.map((run) => (run === undefined ? 0 : run.to - run.from));
    const tokens = Math.max(...lengths);
    const at = lengths.indexOf(tokens);
    const run = own[at];
    const copy = run === undefined ? "" : tokenizer.decode(texts[at]!.slice(run.from, run.to));
    return {
      name,
      texts: texts.length,
      tokensEach: newTokens,
      longest: { tokens, characters: copy.length, text: copy },
      meanLongestTokens: lengths.reduce((sum, n) => sum + n, 0) / lengths.length,
    };
  });
}
