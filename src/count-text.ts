/**
 * Documents -> a file of n-gram counts, in bounded memory: neither the text nor its tokens are held, but for one document
 * and one run of tokens (`NgramRuns`). Puts text, tokenizer and counts together; knows no model.
 */
import { writeFailure } from "./checkpoint/node/index.ts";
import { InvalidConfigError } from "./errors.ts";
import { NgramRuns } from "./memory/counted/node/index.ts";
import type { Document, DocumentEncoder } from "./training/index.ts";

export interface CountTextOptions {
  /** In an order that is the same when counting goes on. */
  readonly documents: AsyncIterable<Document> | Iterable<Document>;
  readonly tokenizer: DocumentEncoder;
  /** Text of tokenizer.json: counts of other tokenizers are not added to these. */
  readonly tokenizerFile: string;
  /** Length of the longest n-grams, in ids. */
  readonly order: number;
  /** Where counts are kept while they are made, and where the file is. */
  readonly directory: string;
  /** Tokens that are sorted at once, about 20 bytes each. Default 2^22. */
  readonly runTokens?: number;
  readonly onProgress?: (documents: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Counts a text, each document behind an end-of-text token, and returns the path of the counts. A process that is killed
 * goes on where its last run ended when it is called again with the same text. Throws `InvalidConfigError` for another
 * text or tokenizer than was counted there, `StoreError` when the disk is full.
 */
export async function countText(options: CountTextOptions): Promise<string> {
  const { documents, tokenizer, tokenizerFile, order, directory, signal } = options;
  const eos = tokenizer.eosTokenId;
  if (eos === undefined)
    throw new InvalidConfigError(
      "the tokenizer has no end-of-text token, which separates documents; add <|endoftext|> to its special tokens",
    );
  try {
    const runs = await NgramRuns.open(directory, {
      order,
      vocabSize: tokenizer.vocabSize,
      tokenizer: await sha256(tokenizerFile),
      signal,
      ...(options.runTokens !== undefined && { runTokens: options.runTokens }),
    });
    let number = 0;
    for await (const { text } of documents) {
      signal?.throwIfAborted();
      await runs.add(text, async () => {
        const ids = await tokenizer.encode(text, { signal });
        const withStart = new Int32Array(ids.length + 1);
        withStart[0] = eos;
        withStart.set(ids, 1);
        return withStart;
      });
      options.onProgress?.(++number);
    }
    const path = await runs.finish();
    if (path === undefined)
      throw new InvalidConfigError("there is no document to count in the given text");
    return path;
  } catch (error) {
    throw writeFailure(error, directory);
  }
}

async function sha256(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}
