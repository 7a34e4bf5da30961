/**
 * Documents -> a counted table, in bounded memory: neither the text nor its tokens are held, but for one document and one
 * run of tokens (`NgramRuns`), and the table goes from file to file. Puts text, tokenizer and counts together; knows no
 * model.
 */
import { countedSourcesOf } from "./at-rest/index.ts";
import type { TensorSource } from "./checkpoint/index.ts";
import { writeFailure } from "./checkpoint/node/index.ts";
import { InvalidConfigError } from "./errors.ts";
import { buildTableOnDisk, type CountedNgrams, NgramRuns } from "./memory/counted/node/index.ts";
import { countedBytes, DISCOUNT_BESIDE_A_MODEL, DocumentSums, ENTRY } from "./memory/index.ts";
import { tokenizerDigest } from "./tokenizer/index.ts";
import { type Document, type DocumentEncoder, startTokenOf } from "./training/index.ts";
import { inWorkDirectory } from "./training/node/index.ts";

/** Which document n-grams are from takes at most this part of the bytes of the table. */
const SUMS_SHARE = 8;
/** N-grams whose documents are listed where a table may have any size. */
const MOST_SUMS = 2 ** 20;

export interface CountTextOptions {
  /** In an order that is the same when counting goes on. */
  readonly documents: AsyncIterable<Document> | Iterable<Document>;
  readonly tokenizer: DocumentEncoder;
  /** Text of tokenizer.json: counts of other tokenizers are not added to these. */
  readonly tokenizerFile: string;
  /** Of the model, which may have ids that its tokenizer has not. */
  readonly vocabSize: number;
  /** Length of the longest n-grams, in ids. */
  readonly order: number;
  /** Of the table; what gains least a byte is not listed. 0: all is. */
  readonly maxBytes: number;
  /** Where counts are kept while they are made; nothing else is there. */
  readonly directory: string;
  /** Tokens that are sorted at once, about 20 bytes each. Default 2^22. */
  readonly runTokens?: number;
  /** Whether it is told which document n-grams are from, in an eighth of the table's bytes at most. */
  readonly listsDocuments?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** A table that is not yet written. */
export interface CountedTensors {
  /** As `countedSources` has them. Can be read once. */
  readonly files: readonly (readonly TensorSource[])[];
  /** Tokens that were counted: all but the one that each document begins with. */
  readonly numTokens: number;
  /** Of the table at rest. */
  readonly numBytes: number;
  /** Which document n-grams are from, if it was asked for: as `DocumentSums` gives it, documents numbered from 0. */
  readonly documents?: Uint32Array | undefined;
}

/**
 * Counts a text in `directory` and hands the table to `write`; the directory is gone then. What is stopped or killed
 * before that goes on where its last run ended when it is called again with the same text. Throws `InvalidConfigError`
 * for another text or tokenizer than was counted there, for a size that is too small, and while another process counts
 * there; `StoreError` when the disk is full.
 */
export async function withCountedTable<T>(
  options: CountTextOptions,
  write: (table: CountedTensors) => Promise<T>,
): Promise<T> {
  const { directory, vocabSize, order, maxBytes, signal } = options;
  const work = async (): Promise<T> => {
    const { listsDocuments = false } = options;
    const most = maxBytes === 0 ? MOST_SUMS : Math.floor(maxBytes / SUMS_SHARE / (4 * ENTRY));
    const sums = listsDocuments ? new DocumentSums({ order, most }) : undefined;
    using counted = await countText(options, sums);
    const kind = { order, vocabSize, discount: DISCOUNT_BESIDE_A_MODEL };
    const build = { kind, scratch: `${directory}/table`, maxBytes, signal };
    await using table = await buildTableOnDisk(counted.ngrams, build);
    return await write({
      files: countedSourcesOf(table.directory, () => table.chunks()),
      numTokens: counted.total,
      numBytes: countedBytes(table.directory),
      documents: sums?.finish(),
    });
  };
  try {
    return await inWorkDirectory(directory, work);
  } catch (error) {
    throw writeFailure(error, directory);
  }
}

/** Counts a text, each document behind the token that texts begin with. */
async function countText(
  options: CountTextOptions,
  sums: DocumentSums | undefined,
): Promise<CountedNgrams> {
  const { documents, tokenizer, tokenizerFile, vocabSize, order, directory, signal } = options;
  const start = startTokenOf(tokenizer);
  const runs = await NgramRuns.open(directory, {
    order,
    vocabSize,
    tokenizer: await tokenizerDigest(tokenizerFile),
    signal,
    ...(options.runTokens !== undefined && { runTokens: options.runTokens }),
  });
  let document = 0;
  for await (const { text } of documents) {
    signal?.throwIfAborted();
    let ids: Promise<Int32Array> | undefined;
    const encode = (): Promise<Int32Array> => (ids ??= encoded(text));
    await runs.add(text, encode);
    // Of what an earlier process counted nothing of this is left.
    sums?.add(await encode(), document++);
  }
  async function encoded(text: string): Promise<Int32Array> {
    const ids = await tokenizer.encode(text, { signal });
    const withStart = new Int32Array(ids.length + 1);
    withStart[0] = start;
    withStart.set(ids, 1);
    return withStart;
  }
  const counted = await runs.finish();
  if (counted === undefined)
    throw new InvalidConfigError("there is no document to count in the given text");
  return counted;
}
