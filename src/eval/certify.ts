/**
 * What a change of formats costs on a text: bits per byte before and after, and the divergence of the next-token
 * probabilities. Knows models and texts; not what the formats are.
 */
import { InvalidConfigError } from "../errors.ts";
import { compareModels, type CompareOptions } from "../inference/index.ts";
import type { Model } from "../opened-model.ts";
import { type Document, packDocuments } from "../training/index.ts";

export interface Certified {
  /** Tokens scored, and the number of their bytes. */
  readonly tokens: number;
  readonly bytes: number;
  readonly bitsPerByte: number;
  /** In the order of the candidates. */
  readonly candidates: readonly CertifiedCandidate[];
}

export interface CertifiedCandidate {
  readonly bitsPerByte: number;
  /** Mean of KL(original || candidate) over the scored tokens, over the full softmax, in nats. */
  readonly meanKl: number;
}

/** Runs `candidates` and the original over the same windows as `bitsPerByte` does. */
export async function certify(
  original: Model,
  documents: AsyncIterable<Document> | Iterable<Document>,
  options: CompareOptions,
): Promise<Certified> {
  const stream = await packDocuments(documents, original.tokenizer, {
    signal: options.signal,
  });
  if (stream.numBytes === 0) throw new InvalidConfigError("the text to measure on is empty");
  const language = original.languageModel();
  const { numTokens, nats, candidates } = await compareModels(language, stream, options);
  const bits = (sum: number): number => sum / Math.LN2 / stream.numBytes;
  return {
    tokens: numTokens,
    bytes: stream.numBytes,
    bitsPerByte: bits(nats),
    candidates: candidates.map((c) => ({ bitsPerByte: bits(c.nats), meanKl: c.meanKl })),
  };
}
