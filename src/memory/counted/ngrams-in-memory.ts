/** Files of n-gram counts (`ngram-bytes.ts`) that are in memory whole. Knows bytes and cursors; no texts, no files. */
import { FormatError } from "../../errors.ts";
import {
  BLOCK_HEAD_BYTES,
  blockLength,
  encodeNgramHeader,
  NGRAM_HEADER_BYTES,
  NgramDecoder,
  NgramEncoder,
  type NgramHeader,
  type NgramKind,
  parseNgramHeader,
} from "./ngram-bytes.ts";
import type { OrderedNgrams } from "./ordered-ngrams.ts";

/** The file of the n-grams of a cursor that has not moved yet. */
export function ngramBytes(ngrams: OrderedNgrams, kind: NgramKind): Uint8Array {
  const encoder = new NgramEncoder(kind);
  const blocks: Uint8Array[] = [];
  while (ngrams.next()) if (encoder.add(ngrams)) blocks.push(encoder.block().slice());
  const { last, header } = encoder.finish();
  blocks.push(last);
  const bytes = new Uint8Array(header.fileBytes);
  bytes.set(encodeNgramHeader(header));
  let at = NGRAM_HEADER_BYTES;
  for (const block of blocks) {
    bytes.set(block, at);
    at += block.length;
  }
  return bytes;
}

/** The head of a file, and a cursor before its first n-gram. Throws `FormatError`, and so does the cursor. */
export function readNgramBytes(bytes: Uint8Array): { header: NgramHeader; ngrams: OrderedNgrams } {
  const header = parseNgramHeader(bytes, bytes.length);
  let at = NGRAM_HEADER_BYTES;
  const ngrams = new NgramDecoder(header, () => {
    if (at === bytes.length) return undefined;
    const rest = bytes.length - at - BLOCK_HEAD_BYTES;
    if (rest < 0) throw new FormatError("the n-gram counts end within a block; fetch them again");
    const length = BLOCK_HEAD_BYTES + blockLength(bytes.subarray(at), rest);
    at += length;
    return bytes.subarray(at - length, at);
  });
  return { header, ngrams };
}
