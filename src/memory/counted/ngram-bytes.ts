/**
 * A file of n-grams with their counts, in order: what a text says of itself before anything is derived. Counts of two
 * texts add up, and come off again, exactly (`merged-ngrams.ts`); tables are made of it. Builds and checks bytes; reads
 * and writes no files, knows no tokens' texts.
 *
 * Everything is little endian. Version 1:
 *
 *     offset  bytes  content
 *     0       8      89 45 4e 47 4e 47 52 0a  ("\x89ENGNGR\n")
 *     8       4      version, 1
 *     12      4      N, ids of the longest n-grams: 2..16
 *     16      4      V, size of the vocabulary: 1..2^21
 *     20      4      CRC-32C of the blocks' sums, in their order
 *     24      8      n-grams
 *     32      8      sum of their counts, less than 2^32
 *     40      8      bytes of the whole file
 *     48      32     SHA-256 of the tokenizer's file; zeros: not known
 *     80      4      of a corpus index (`corpus-ngrams.ts`): n-grams that came less often are left out; 0: no index
 *     84      8      of an index: tokens of the corpus
 *     92      32     of an index: the corpus' name, UTF-8, filled up with zeros
 *     124     4      CRC-32C of bytes 0..123
 *     128     ...    blocks of whole n-grams: bytes behind these two numbers (4), their CRC-32C (4), n-grams
 *
 * An n-gram is an id and the ids before it in its document, N - 1 or, near the document's start, all:
 *
 *     head      1 byte: 16 · c + d; d ids of context, of which c, nearest first, are those of the n-gram before
 *     context   the other ids, from nearest to farthest, each 2 bytes, or 3 if V > 65,536
 *     id        2 or 3 bytes
 *     count     LEB128 varint
 *
 * The order is that of `ordered-ngrams.ts`, and strict: the same counts are always the same bytes.
 */
import { FormatError, InvalidConfigError } from "../../errors.ts";
import { crc32c } from "../../numerics/index.ts";
import { MAX_ORDER } from "./context-order.ts";
import type { OrderedNgrams } from "./ordered-ngrams.ts";
import { idBytesOf } from "./row-bytes.ts";

export const NGRAM_HEADER_BYTES = 128;
/** Of the two numbers before a block's n-grams. */
export const BLOCK_HEAD_BYTES = 8;
const MAGIC = Uint8Array.of(0x89, 0x45, 0x4e, 0x47, 0x4e, 0x47, 0x52, 0x0a);
const VERSION = 1;
const DIGEST_BYTES = 32;
/** A block is closed when it has this many bytes. */
const BLOCK_BYTES = 2 ** 18;
/** A count has 5 bytes at most. */
const MOST_NGRAM_BYTES = 1 + MAX_ORDER * 3 + 5;
const MOST_COUNTS = 2 ** 32 - 1;
const CORPUS_OFFSET = 80;
export const MOST_NAME_BYTES = 32;
/** As many as counting can sort (`count-contexts.ts`). */
const MOST_IDS = 2 ** 21;

/** What an index says of its corpus. */
export interface CorpusFacts {
  /** N-grams that came less often are left out. 1: none is. */
  readonly least: number;
  /** Tokens of the corpus. */
  readonly tokens: number;
  /** At most 32 bytes. */
  readonly name: string;
}

/** What must agree of counts that are added. */
export interface NgramKind {
  readonly order: number;
  readonly vocabSize: number;
  /** SHA-256 of the tokenizer's file, or zeros. */
  readonly tokenizer: Uint8Array;
  /** Of an index. */
  readonly corpus?: CorpusFacts | undefined;
}

export interface NgramHeader extends NgramKind {
  readonly numNgrams: number;
  /** Sum of all counts: positions that were counted. */
  readonly total: number;
  readonly fileBytes: number;
  /** Of the blocks' sums. */
  readonly sum: number;
}

export function encodeNgramHeader(header: NgramHeader): Uint8Array {
  const bytes = new Uint8Array(NGRAM_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  for (const [i, word] of [VERSION, header.order, header.vocabSize, header.sum].entries())
    view.setUint32(8 + 4 * i, word, true);
  for (const [i, n] of [header.numNgrams, header.total, header.fileBytes].entries())
    view.setBigUint64(24 + 8 * i, BigInt(n), true);
  bytes.set(header.tokenizer, 48);
  if (header.corpus !== undefined) {
    const { least, tokens, name } = header.corpus;
    view.setUint32(CORPUS_OFFSET, least, true);
    view.setBigUint64(CORPUS_OFFSET + 4, BigInt(tokens), true);
    bytes.set(new TextEncoder().encode(name), CORPUS_OFFSET + 12);
  }
  view.setUint32(NGRAM_HEADER_BYTES - 4, crc32c(bytes.subarray(0, NGRAM_HEADER_BYTES - 4)), true);
  return bytes;
}

/** Reads the head of a file of `fileBytes`. Throws `FormatError`. */
export function parseNgramHeader(bytes: Uint8Array, fileBytes: number): NgramHeader {
  if (bytes.length < NGRAM_HEADER_BYTES || MAGIC.some((byte, i) => bytes[i] !== byte))
    throw new FormatError("not a file of n-gram counts: its first eight bytes are others");
  const view = new DataView(bytes.buffer, bytes.byteOffset, NGRAM_HEADER_BYTES);
  const [version, order, vocabSize, sum] = [8, 12, 16, 20].map((at) => view.getUint32(at, true));
  if (version !== VERSION)
    throw new FormatError(`n-gram counts of version ${version}, this program reads ${VERSION}`);
  const claimed = view.getUint32(NGRAM_HEADER_BYTES - 4, true);
  if (crc32c(bytes.subarray(0, NGRAM_HEADER_BYTES - 4)) !== claimed)
    throw new FormatError("the head of the n-gram counts is damaged: its sum is another");
  const [numNgrams, total, size] = [24, 32, 40].map((at) => Number(view.getBigUint64(at, true)));
  if (!(order! >= 2 && order! <= MAX_ORDER))
    throw new FormatError(`n-grams of ${order} ids; expected 2..${MAX_ORDER}`);
  if (!(vocabSize! >= 1 && vocabSize! <= MOST_IDS))
    throw new FormatError(`a vocabulary of ${vocabSize} ids; expected 1..${MOST_IDS}`);
  if (size !== fileBytes)
    throw new FormatError(
      `${fileBytes < size! ? "truncated" : "too long"}: the n-gram counts say ${size} bytes, the file has ${fileBytes}`,
    );
  return {
    order: order!,
    vocabSize: vocabSize!,
    tokenizer: bytes.slice(48, 48 + DIGEST_BYTES),
    numNgrams: numNgrams!,
    total: total!,
    fileBytes,
    sum: sum!,
    corpus: parseCorpus(view),
  };
}

function parseCorpus(view: DataView): CorpusFacts | undefined {
  const least = view.getUint32(CORPUS_OFFSET, true);
  if (least === 0) return undefined;
  const tokens = Number(view.getBigUint64(CORPUS_OFFSET + 4, true));
  const name = new TextDecoder().decode(
    new Uint8Array(view.buffer, view.byteOffset + CORPUS_OFFSET + 12, MOST_NAME_BYTES),
  );
  const end = name.indexOf("\0");
  return {
    least,
    tokens,
    name: (end === -1 ? name : name.slice(0, end)).replaceAll(/\p{C}/gu, "?"),
  };
}

/** Throws `InvalidConfigError` unless counts are of the same n-grams of the same tokenizer. */
export function checkSameKind(one: NgramKind, other: NgramKind): void {
  for (const key of ["order", "vocabSize"] as const)
    if (one[key] !== other[key])
      throw new InvalidConfigError(
        `n-gram counts of ${key} ${one[key]} and of ${other[key]} cannot be taken together; count the texts alike`,
      );
  for (const { corpus } of [one, other])
    if (corpus !== undefined && corpus.least > 1)
      throw new InvalidConfigError(
        `the index of ${corpus.name} lists only n-grams that came ${corpus.least} times; it cannot be added to`,
      );
  if (one.tokenizer.some((byte, i) => byte !== other.tokenizer[i]))
    throw new InvalidConfigError(
      "n-gram counts of two tokenizers cannot be taken together: their ids are other tokens",
    );
}

/** Throws `InvalidConfigError` for more positions than counts hold. */
export function checkTotal(total: number): void {
  if (total > MOST_COUNTS)
    throw new InvalidConfigError(
      `${total} tokens were counted, and counts hold ${MOST_COUNTS}: count less text`,
    );
}

/** N-grams -> blocks. */
export class NgramEncoder {
  readonly #kind: NgramKind;
  readonly #idBytes: number;
  #bytes = new Uint8Array(BLOCK_HEAD_BYTES + BLOCK_BYTES + MOST_NGRAM_BYTES);
  #size = BLOCK_HEAD_BYTES;
  #numNgrams = 0;
  #total = 0;
  #fileBytes = NGRAM_HEADER_BYTES;
  #sum = 0;
  /** The n-gram that is not yet written, because it may come again. */
  readonly #held = { depth: 0, place: 0, ids: [] as ArrayLike<number>, common: 0, id: 0, count: 0 };

  constructor(kind: NgramKind) {
    this.#kind = kind;
    this.#idBytes = idBytesOf(kind.vocabSize);
  }

  /** Takes the present n-gram of a cursor. True: a block is full, take it with `block`. */
  add({ depth, place, ids, common, id, count }: OrderedNgrams): boolean {
    const held = this.#held;
    // The ids are those of the newer one: the cursor may reuse the older one's.
    const isSame = held.count > 0 && id === held.id && common === this.#kind.order - 1;
    if (!isSame) {
      this.#write();
      held.common = Math.min(common, depth);
      held.depth = depth;
      held.id = id;
      held.count = 0;
    }
    held.ids = ids;
    held.place = place;
    held.count += count;
    return this.#size >= BLOCK_BYTES;
  }

  /** The block that is full, or the last one. Valid until the next n-gram. */
  block(): Uint8Array {
    const bytes = this.#bytes.subarray(0, this.#size);
    const view = new DataView(this.#bytes.buffer);
    const sum = crc32c(bytes.subarray(BLOCK_HEAD_BYTES));
    view.setUint32(0, this.#size - BLOCK_HEAD_BYTES, true);
    view.setUint32(4, sum, true);
    this.#sum = crc32c(bytes.subarray(4, BLOCK_HEAD_BYTES), this.#sum);
    this.#fileBytes += this.#size;
    this.#size = BLOCK_HEAD_BYTES;
    return bytes;
  }

  /** The last block, and what the file begins with. Throws `InvalidConfigError` for more than can be counted. */
  finish(): { last: Uint8Array; header: NgramHeader } {
    this.#write();
    const last = this.#size > BLOCK_HEAD_BYTES ? this.block() : new Uint8Array(0);
    checkTotal(this.#total);
    const { order, vocabSize, tokenizer, corpus } = this.#kind;
    const [numNgrams, total, fileBytes, sum] = [
      this.#numNgrams,
      this.#total,
      this.#fileBytes,
      this.#sum,
    ];
    return {
      last,
      header: { order, vocabSize, tokenizer, corpus, numNgrams, total, fileBytes, sum },
    };
  }

  #write(): void {
    const { depth, place, ids, common, id, count } = this.#held;
    if (count === 0) return;
    this.#held.count = 0;
    this.#bytes[this.#size++] = 16 * common + depth;
    for (let back = common + 1; back <= depth; back++) this.#id(ids[place - back]!);
    this.#id(id);
    let rest = count;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.#bytes[this.#size++] = rest | 128;
    this.#bytes[this.#size++] = rest;
    this.#numNgrams++;
    this.#total += count;
  }

  #id(id: number): void {
    this.#bytes[this.#size++] = id;
    this.#bytes[this.#size++] = id >>> 8;
    if (this.#idBytes === 3) this.#bytes[this.#size++] = id >>> 16;
  }
}

/** A cursor over blocks. Throws `FormatError` for bytes that are not n-grams in order, at the first that is not. */
export class NgramDecoder implements OrderedNgrams {
  readonly order: number;
  readonly place: number;
  ids: Uint32Array;
  depth = 0;
  common = 0;
  id = 0;
  count = 0;
  readonly #header: NgramHeader;
  readonly #idBytes: number;
  /** The next block with its head; undefined behind the last. */
  readonly #nextBlock: () => Uint8Array | undefined;
  #before: Uint32Array;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #numNgrams = 0;
  #total = 0;
  #sum = 0;

  constructor(header: NgramHeader, nextBlock: () => Uint8Array | undefined) {
    this.#header = header;
    this.order = header.order;
    this.place = header.order - 1;
    this.ids = new Uint32Array(this.place);
    this.#before = new Uint32Array(this.place);
    this.#idBytes = idBytesOf(header.vocabSize);
    this.#nextBlock = nextBlock;
  }

  next(): boolean {
    if (this.#at === this.#bytes.length && !this.#open()) return false;
    const { place } = this;
    const [lastDepth, lastId] = [this.depth, this.id];
    const head = this.#byte();
    const depth = head & 15;
    const shared = head >>> 4;
    if (depth < 1 || depth > place || shared > Math.min(depth, lastDepth))
      throw damaged("a context of other ids than there are");
    const [ids, before] = [this.#before, this.ids];
    for (let back = 1; back <= shared; back++) ids[place - back] = before[place - back]!;
    for (let back = shared + 1; back <= depth; back++) ids[place - back] = this.#id();
    const id = this.#id();
    const count = this.#varint();
    const isSame = shared === depth && depth === lastDepth;
    const isBehind = isSame
      ? id > lastId
      : shared === lastDepth ||
        (shared < depth && ids[place - shared - 1]! > before[place - shared - 1]!);
    if (!isBehind || count < 1) throw damaged("n-grams out of order");
    this.ids = ids;
    this.#before = before;
    this.depth = depth;
    this.common = isSame ? this.order - 1 : shared;
    this.id = id;
    this.count = count;
    this.#numNgrams++;
    this.#total += count;
    return true;
  }

  /** Moves on to the next block. Behind the last, checks that nothing was missing. */
  #open(): boolean {
    const block = this.#nextBlock();
    const { numNgrams, total, sum } = this.#header;
    if (block === undefined) {
      if (this.#numNgrams !== numNgrams || this.#total !== total || this.#sum !== sum)
        throw damaged(`${this.#numNgrams} n-grams where ${numNgrams} were written`);
      return false;
    }
    const view = new DataView(block.buffer, block.byteOffset, block.length);
    const claimed = view.getUint32(4, true);
    if (crc32c(block.subarray(BLOCK_HEAD_BYTES)) !== claimed)
      throw damaged("a block of another sum");
    this.#sum = crc32c(block.subarray(4, BLOCK_HEAD_BYTES), this.#sum);
    this.#bytes = block;
    this.#at = BLOCK_HEAD_BYTES;
    return true;
  }

  #byte(): number {
    if (this.#at === this.#bytes.length) throw damaged("an n-gram that ends behind its block");
    return this.#bytes[this.#at++]!;
  }

  #id(): number {
    let id = this.#byte();
    id |= this.#byte() << 8;
    if (this.#idBytes === 3) id |= this.#byte() << 16;
    if (id >= this.#header.vocabSize)
      throw damaged(`id ${id} of a vocabulary of ${this.#header.vocabSize}`);
    return id;
  }

  #varint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#byte();
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    throw damaged("a number of more than 5 bytes");
  }
}

/** The length of a block behind its head, from its first bytes. Throws `FormatError`. */
export function blockLength(head: Uint8Array, rest: number): number {
  const length = new DataView(head.buffer, head.byteOffset, BLOCK_HEAD_BYTES).getUint32(0, true);
  if (length < 1 || length > Math.min(rest, BLOCK_BYTES + MOST_NGRAM_BYTES))
    throw damaged(`a block of ${length} bytes`);
  return length;
}

function damaged(what: string): FormatError {
  return new FormatError(`the n-gram counts hold ${what}; they are damaged, count the text again`);
}
