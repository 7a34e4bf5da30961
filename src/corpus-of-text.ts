/** The index of the text that a model is trained on: puts text, tokenizer and memory together. Knows no platform. */
import { type ByteSource, sameBytes } from "./bytes/index.ts";
import { FormatError } from "./errors.ts";
import type { TokenStream } from "./inference/index.ts";
import { indexCorpus, readNgramBytes, type TokenMap } from "./memory/index.ts";
import type { ModelConfig } from "./model/index.ts";
import { openModelFiles } from "./open-files.ts";
import { tokenizerDigest } from "./tokenizer/index.ts";

export interface CorpusOfTextOptions {
  readonly config: ModelConfig;
  readonly tokenMap: TokenMap;
  /** Text of tokenizer.json. */
  readonly tokenizer: string;
  /** Names of the texts. */
  readonly data: readonly string[];
  /** The index of what the model was trained on before. */
  readonly before?: Uint8Array | undefined;
  /** Default: `indexCorpus`'s. */
  readonly mostBytes?: number;
  readonly signal?: AbortSignal | undefined;
}

/** How often each n-gram that the memory addresses comes in the text; undefined without learned rows. */
export async function corpusOfText(
  text: TokenStream,
  { config, tokenMap, tokenizer, data, before, mostBytes, signal }: CorpusOfTextOptions,
): Promise<Uint8Array | undefined> {
  if (config.engram === undefined) return undefined;
  return indexCorpus(text, {
    order: config.engram.maxNgramSize,
    vocabSize: config.vocabSize,
    tokenMap,
    tokenizer: await tokenizerDigest(tokenizer),
    name: nameOf(data),
    before,
    ...(mostBytes !== undefined && { mostBytes }),
    signal,
  });
}

/** The index that a model has, if it has one. Throws `FormatError` where it is of another tokenizer. */
export async function readCorpus(source: ByteSource): Promise<Uint8Array | undefined> {
  await using files = await openModelFiles(source);
  const corpus = await files.corpus();
  if (corpus === undefined) return undefined;
  const digest = await tokenizerDigest((await files.tokenizer()) ?? "");
  if (!sameBytes(readNgramBytes(corpus).header.tokenizer, digest))
    throw new FormatError(
      `${files.path}: the n-gram counts of its text are of another tokenizer; save the model anew`,
    );
  return corpus;
}

/** What texts are called together: the first one's name, without its folder. */
function nameOf([first = "", ...others]: readonly string[]): string {
  const name = first.split(/[\\/]/).at(-1)!;
  return others.length === 0 ? name : `${name} and ${others.length} more`;
}
