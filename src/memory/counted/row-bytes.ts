/**
 * A context's row as bytes: its ids, its successors and their counts. The rows of a bucket follow each other. Each
 * contains its whole context, so no row is taken for another. Reads of untrusted bytes are bounded. Knows no
 * probabilities.
 *
 *     depth        1 byte: ids of the context; + 128 if exactly one id followed, once
 *     context      depth ids, the nearest first, of `idBytes` bytes each, little-endian
 *     successor    of a row with one: its id, and the row ends here
 *     size         varint: bytes behind it
 *     listed       varint: successors that follow
 *     total        varint: sum of all counts
 *     unlisted     varint: successors that were counted and are not listed
 *     successors   id and count (varint), the most frequent first
 */
import { FormatError } from "../../errors.ts";

/** Of a row's first byte. */
export const SINGLE = 128;

/** The head of a row, before its successors. */
export interface RowHead {
  /** Sum of all counts, listed or not. */
  total: number;
  /** Number of successors, listed or not. */
  distinct: number;
  /** The largest count of a listed successor. */
  largest: number;
  listed: number;
  /** Position of the successors, and whether counts are absent. */
  at: number;
  isSingle: boolean;
}

/** To read heads into. */
export function noHead(): RowHead {
  return { total: 0, distinct: 0, largest: 0, listed: 0, at: 0, isSingle: false };
}

/** Bytes per id for a vocabulary. */
export function idBytesOf(vocabSize: number): number {
  return vocabSize <= 1 << 16 ? 2 : 3;
}

/** Bytes of the head of a row with `depth` context ids and `rest` bytes of successors. */
export function headBytes(
  { total, distinct, listed, isSingle }: Omit<RowHead, "at" | "largest">,
  { depth, rest, vocabSize }: { depth: number; rest: number; vocabSize: number },
): number {
  const context = 1 + depth * idBytesOf(vocabSize);
  if (isSingle) return context;
  const numbers = varintBytes(listed) + varintBytes(total) + varintBytes(distinct - listed);
  return context + varintBytes(numbers + rest) + numbers;
}

/** Bytes of a successor and its count. */
export function successorBytes(count: number, vocabSize: number): number {
  return idBytesOf(vocabSize) + varintBytes(count);
}

export class RowScanner {
  readonly #vocabSize: number;
  readonly #idBytes: number;
  /** Head of the row read last. */
  ids: Uint32Array = new Uint32Array(64);
  counts: Uint32Array = new Uint32Array(64);
  /** End of the row opened last. */
  end = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;

  constructor(vocabSize: number) {
    this.#vocabSize = vocabSize;
    this.#idBytes = idBytesOf(vocabSize);
  }

  /**
   * Searches the bytes `from`..`to`-1 for the row of the `depth` ids before `place` in `ids`. Returns whether it was
   * found. Throws `FormatError` for bytes that are not rows.
   */
  find(
    bytes: Uint8Array,
    { from, to }: { from: number; to: number },
    { ids, place, depth }: { ids: ArrayLike<number>; place: number; depth: number },
    head: RowHead,
  ): boolean {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = to;
    while (this.#at < to) {
      const first = bytes[this.#at++]!;
      const ofDepth = first & (SINGLE - 1);
      this.#need(ofDepth * this.#idBytes);
      const isIt = ofDepth === depth && this.#isContext(ids, place, depth);
      this.#at += ofDepth * this.#idBytes;
      if (first >= SINGLE) {
        this.#need(this.#idBytes);
        if (isIt) {
          setSingle(head, this.#at);
          return true;
        }
        this.#at += this.#idBytes;
        continue;
      }
      const size = this.#varint();
      this.#need(size);
      if (isIt) {
        this.#end = this.#at + size;
        this.#head(head);
        return true;
      }
      this.#at += size;
    }
    return false;
  }

  /**
   * Reads the head and the context (nearest id last) of the row at `from`, and returns its depth. `end` is the start
   * of the next row. Throws `FormatError` for bytes that are not a row.
   */
  open(
    bytes: Uint8Array,
    { from, to }: { from: number; to: number },
    into: { readonly context: Uint32Array; readonly head: RowHead },
  ): number {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = to;
    this.#need(1);
    const first = bytes[this.#at++]!;
    const depth = first & (SINGLE - 1);
    if (depth > into.context.length) throw damaged(`a row of ${depth} ids of context`);
    for (let back = 1; back <= depth; back++) into.context[depth - back] = this.#id();
    if (first >= SINGLE) {
      setSingle(into.head, this.#at);
      this.#id();
      this.end = this.#at;
    } else {
      const size = this.#varint();
      this.#need(size);
      this.end = this.#end = this.#at + size;
      this.#head(into.head);
    }
    return depth;
  }

  /**
   * Reads the successors of a row found in these bytes into `ids` and `counts`, which are valid until the next row.
   * Returns the sum of their counts. Throws `FormatError` for ids or counts that give no probabilities.
   */
  readSuccessors(bytes: Uint8Array, { at, listed, isSingle, total }: RowHead): number {
    if (listed > this.#vocabSize) throw damaged("a row with more successors than there are ids");
    if (this.ids.length < listed) {
      this.ids = new Uint32Array(2 * listed);
      this.counts = new Uint32Array(2 * listed);
    }
    this.#bytes = bytes;
    this.#end = bytes.length;
    const { ids, counts } = this;
    const isWide = this.#idBytes === 3;
    let next = at;
    let sum = 0;
    // Thousands of times a token where a common id stands before: nothing but locals, and most counts are one byte.
    for (let i = 0; i < listed; i++) {
      if (next + this.#idBytes + (isSingle ? 0 : 1) > bytes.length) throw tooShort();
      let id = bytes[next++]! | (bytes[next++]! << 8);
      if (isWide) id |= bytes[next++]! << 16;
      let count = 1;
      if (!isSingle) {
        count = bytes[next]!;
        if (count < 128) next++;
        else {
          this.#at = next;
          count = this.#varint();
          next = this.#at;
        }
      }
      if (id >= this.#vocabSize) throw damaged(`id ${id} of a vocabulary of ${this.#vocabSize}`);
      sum += count;
      if (count < 1 || sum > total) throw damaged("a row whose counts are not those of its sum");
      ids[i] = id;
      counts[i] = count;
    }
    return sum;
  }

  #head(head: RowHead): void {
    head.isSingle = false;
    head.listed = this.#varint();
    head.total = this.#varint();
    head.distinct = head.listed + this.#varint();
    head.at = this.#at;
    if (head.listed === 0) throw damaged("a row without successors");
    this.#need(this.#idBytes);
    this.#at += this.#idBytes;
    head.largest = this.#varint();
    if (head.largest < 1 || head.largest > head.total || head.distinct > head.total)
      throw damaged("a row whose counts exceed their sum");
  }

  #isContext(ids: ArrayLike<number>, place: number, depth: number): boolean {
    let at = this.#at;
    for (let back = 1; back <= depth; back++) {
      let id = this.#bytes[at++]! | (this.#bytes[at++]! << 8);
      if (this.#idBytes === 3) id |= this.#bytes[at++]! << 16;
      if (id !== ids[place - back]) return false;
    }
    return true;
  }

  #id(): number {
    this.#need(this.#idBytes);
    let id = this.#bytes[this.#at++]! | (this.#bytes[this.#at++]! << 8);
    if (this.#idBytes === 3) id |= this.#bytes[this.#at++]! << 16;
    return id;
  }

  #varint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      this.#need(1);
      const byte = this.#bytes[this.#at++]!;
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    throw damaged("a number of more than 5 bytes");
  }

  #need(size: number): void {
    if (this.#at + size > this.#end) throw tooShort();
  }
}

function setSingle(head: RowHead, at: number): void {
  head.total = head.distinct = head.largest = head.listed = 1;
  head.at = at;
  head.isSingle = true;
}

function tooShort(): FormatError {
  return damaged("a row that ends behind its bucket");
}

export function varintBytes(value: number): number {
  return value < 2 ** 7 ? 1 : value < 2 ** 14 ? 2 : value < 2 ** 21 ? 3 : value < 2 ** 28 ? 4 : 5;
}

function damaged(what: string): FormatError {
  return new FormatError(
    `a bucket of the counted memory holds ${what}; check the model, and the packs beside it, with \`engram verify\``,
  );
}
