/**
 * The rows of an audit that count: Kneser-Ney of the training text, alone and mixed with what models read, whole and
 * at as many bytes as the model's table. Knows readings and counts; no models.
 */
import type { TokenStream } from "../../inference/index.ts";
import { KneserNey, NgramCounts } from "./kneser-ney.ts";
import { mixture } from "./mixture.ts";
import type { Nats } from "./paired-blocks.ts";
import type { Group, RowReport } from "./report.ts";

/** What good packed tables take, counts or chances and the way back in it. */
export const BYTES_PER_NGRAM = 8;

const LONGEST = 5;

/** A row before its figures are taken. */
export interface Reading extends Pick<RowReport, "counted" | "weights"> {
  readonly group: Group;
  readonly name: string;
  readonly nats: Nats;
}

export interface CountingOptions {
  readonly trained: TokenStream;
  readonly vocabSize: number;
  /** The scored text, and its tokens that are scored. */
  readonly text: TokenStream;
  readonly at: Uint32Array;
  /** What is mixed with, by name. */
  readonly models: ReadonlyMap<string, Nats>;
  /** Of the model's tables; absent without one. */
  readonly tableBytes: number | undefined;
  readonly onProgress: (what: string) => void;
  readonly signal?: AbortSignal | undefined;
}

export async function countedReadings(options: CountingOptions): Promise<Reading[]> {
  const { trained, vocabSize, text, at, models, tableBytes, onProgress, signal } = options;
  onProgress("counting the training text");
  const counts = await NgramCounts.count(trained.tokens, { maxOrder: LONGEST, vocabSize, signal });
  const readings: Reading[] = [];
  const add = (group: Group, model: KneserNey): void => {
    const { order, numNgrams: ngrams } = model;
    const counted = { order, ngrams, bytes: BYTES_PER_NGRAM * ngrams };
    const name = `Kneser-Ney ${order}`;
    const nats = model.nats(text.tokens, at);
    readings.push({ group, name, nats, counted });
    for (const [of, other] of models)
      readings.push({ group, name: `${of} + ${name}`, counted, ...mixture(other, nats) });
  };
  const orders = Array.from({ length: LONGEST - 1 }, (_, i) => i + 2);
  const whole = orders.map((order) => KneserNey.of(counts, order));
  for (const model of whole) {
    await step(`Kneser-Ney of order ${model.order}`, options);
    add("counting", model);
  }
  if (tableBytes !== undefined)
    for (const model of whole) {
      await step(`Kneser-Ney of order ${model.order} at equal bytes`, options);
      add("counting at equal bytes", model.pruned(Math.floor(tableBytes / BYTES_PER_NGRAM)));
    }
  return readings;
}

/** Lets an abort arrive, and says what comes. */
async function step(what: string, { onProgress, signal }: CountingOptions): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve));
  signal?.throwIfAborted();
  onProgress(what);
}
