/**
 * Bits per byte of a text: -log2 p summed over its tokens, divided by its UTF-8 bytes. Unlike the loss per token, it
 * can be compared between tokenizers and with compressors. Knows models and texts; not files.
 */
import { InvalidConfigError } from "../errors.ts";
import { Scorer, type ScoreOptions, type TokenStream, type View } from "../inference/index.ts";
import type { Model } from "../opened-model.ts";
import { type Document, packDocuments } from "../training/index.ts";

/** What `bitsPerByte` finds. */
export interface BitsPerByte {
  readonly bitsPerByte: number;
  /** exp of the mean nats a token. */
  readonly tokenPerplexity: number;
  /** Tokens scored, and the number of their bytes. */
  readonly tokens: number;
  readonly bytes: number;
  /** Mean gate of each Engram layer; empty without memory. */
  readonly gates: Readonly<Record<string, number>>;
}

/** How a text is scored. */
export interface BitsPerByteOptions extends Pick<ScoreOptions, "onProgress" | "signal"> {
  /** false scores with the memory off. Default: on, if the model has one. */
  readonly memory?: boolean;
  /** How the memory is read. Default: as it was trained. */
  readonly view?: Partial<View>;
}

/**
 * Scores documents in windows of the model's context with a stride of half a context. So every token has at least half
 * a context before it, if its document is that long.
 */
export async function bitsPerByte(
  model: Model,
  documents: AsyncIterable<Document> | Iterable<Document>,
  options: BitsPerByteOptions = {},
): Promise<BitsPerByte> {
  const stream = await packDocuments(documents, model.tokenizer, { signal: options.signal });
  return bitsPerByteOfStream(model, stream, options);
}

/** The same for documents that are already packed: to score them more than once. */
export async function bitsPerByteOfStream(
  model: Model,
  stream: TokenStream,
  { memory = model.hasMemory, view, ...scoring }: BitsPerByteOptions = {},
): Promise<BitsPerByte> {
  if (stream.numBytes === 0) throw new InvalidConfigError("the text to score is empty");
  await using scorer = await Scorer.create(model.languageModel({ memory }), {
    ...(view && { view }),
  });
  const score = await scorer.score(stream, scoring);
  return {
    bitsPerByte: score.nats / Math.LN2 / stream.numBytes,
    tokenPerplexity: Math.exp(score.nats / score.numTokens),
    tokens: score.numTokens,
    bytes: stream.numBytes,
    gates: Object.fromEntries(score.gates),
  };
}
