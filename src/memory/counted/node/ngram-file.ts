/**
 * Files of n-gram counts (`ngram-bytes.ts`), written and read a block at a time. A file is whole or absent. Knows no
 * texts and no rows.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { writeAt, writeDurably } from "../../../bytes/node/index.ts";
import { FormatError } from "../../../errors.ts";
import { MergedNgrams } from "../merged-ngrams.ts";
import {
  BLOCK_HEAD_BYTES,
  blockLength,
  checkSameKind,
  encodeNgramHeader,
  NGRAM_HEADER_BYTES,
  NgramDecoder,
  NgramEncoder,
  type NgramHeader,
  type NgramKind,
  parseNgramHeader,
} from "../ngram-bytes.ts";
import type { OrderedNgrams } from "../ordered-ngrams.ts";

/** Writes the n-grams of a cursor that has not moved yet. An abort leaves no file. */
export async function writeNgramFile(
  path: string,
  ngrams: OrderedNgrams,
  { kind, signal }: { kind: NgramKind; signal?: AbortSignal | undefined },
): Promise<void> {
  signal?.throwIfAborted();
  const encoder = new NgramEncoder(kind);
  await writeDurably(path, async (file) => {
    let at = NGRAM_HEADER_BYTES;
    const put = async (block: Uint8Array): Promise<void> => {
      await writeAt(file, block, at);
      at += block.length;
    };
    while (ngrams.next()) {
      if (!encoder.add(ngrams)) continue;
      signal?.throwIfAborted();
      await put(encoder.block());
    }
    const { last, header } = encoder.finish();
    await put(last);
    await writeAt(file, encodeNgramHeader(header), 0);
  });
}

/** An open file of counts; closes itself with `using`. */
export class NgramFile implements Disposable {
  readonly path: string;
  readonly header: NgramHeader;
  readonly #file: number;

  /** Throws `FormatError` for another file, or one of another length. */
  constructor(path: string) {
    this.path = path;
    this.#file = openSync(path, "r");
    try {
      const { size } = fstatSync(this.#file);
      const head = new Uint8Array(Math.min(size, NGRAM_HEADER_BYTES));
      this.#read(head, 0);
      this.header = parseNgramHeader(head, size);
    } catch (error) {
      closeSync(this.#file);
      throw this.#named(error);
    }
  }

  /** A cursor before the first n-gram. It throws `FormatError` where the file is damaged. */
  ngrams(): OrderedNgrams {
    const { fileBytes } = this.header;
    let at = NGRAM_HEADER_BYTES;
    const head = new Uint8Array(BLOCK_HEAD_BYTES);
    return new NgramDecoder(this.header, () => {
      if (at === fileBytes) return undefined;
      this.#read(head, at);
      const block = new Uint8Array(
        BLOCK_HEAD_BYTES + blockLength(head, fileBytes - at - BLOCK_HEAD_BYTES),
      );
      this.#read(block, at);
      at += block.length;
      return block;
    });
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }

  #read(into: Uint8Array, position: number): void {
    for (let done = 0; done < into.length;) {
      const got = readSync(this.#file, into, done, into.length - done, position + done);
      if (got === 0) throw new FormatError(`${this.path} ends at byte ${position + done}`);
      done += got;
    }
  }

  #named(error: unknown): unknown {
    if (!(error instanceof FormatError)) return error;
    return new FormatError(`${this.path}: ${error.message}`, { cause: error });
  }
}

/** A file of counts to add, or to take off. */
export interface SignedFile {
  readonly path: string;
  readonly sign: 1 | -1;
}

/**
 * Writes the sum of counts: to the byte what a text with all their documents gives. Throws `InvalidConfigError` for
 * counts of different n-grams or tokenizers, and where more is taken off than was counted; there is no file then.
 */
export async function mergeNgramFiles(
  path: string,
  files: readonly SignedFile[],
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const open: NgramFile[] = [];
  try {
    for (const file of files) open.push(new NgramFile(file.path));
    const { corpus: _, ...kind } = open[0]!.header;
    for (const { header } of open) checkSameKind(kind, header);
    const sources = open.map((file, i) => ({ ngrams: file.ngrams(), sign: files[i]!.sign }));
    await writeNgramFile(path, new MergedNgrams(sources), { kind, signal });
  } finally {
    for (const file of open) file[Symbol.dispose]();
  }
}
