/**
 * A context's row as bytes: its ids, what followed it and how often. Rows of one bucket lie one behind another, and
 * name their context whole, so that none is taken for another. Reads of foreign bytes are bounded. Knows no chances.
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

const single = 128;

/** What a row says before its successors. */
export interface RowHead {
  /** Sum of all counts, listed or not. */
  total: number;
  /** Successors, listed or not. */
  distinct: number;
  /** The largest count of a listed one. */
  largest: number;
  listed: number;
  /** Where the successors stand, and whether without counts. */
  at: number;
  isSingle: boolean;
}

/** A row to write. */
export interface RowToWrite {
  /** The nearest first. */
  readonly context: ArrayLike<number>;
  /** The most frequent first. */
  readonly ids: ArrayLike<number>;
  readonly counts: ArrayLike<number>;
  /** Sum of all counts, listed or not. */
  readonly total: number;
  /** Successors that are not listed. */
  readonly unlisted: number;
}

/** Bytes of an id in a vocabulary. */
function idBytesOf(vocabSize: number): number {
  return vocabSize <= 1 << 16 ? 2 : 3;
}

export class RowWriter {
  readonly #idBytes: number;
  #bytes = new Uint8Array(256);
  #size = 0;

  constructor(vocabSize: number) {
    this.#idBytes = idBytesOf(vocabSize);
  }

  /** The row's bytes: a view, valid until the next row. */
  write({ context, ids, counts, total, unlisted }: RowToWrite): Uint8Array {
    this.#size = 0;
    const isSingle = ids.length === 1 && total === 1;
    this.#reserve(32 + (context.length + 1) * this.#idBytes + ids.length * (this.#idBytes + 5));
    this.#bytes[this.#size++] = context.length + (isSingle ? single : 0);
    for (let i = 0; i < context.length; i++) this.#id(context[i]!);
    if (isSingle) {
      this.#id(ids[0]!);
      return this.#bytes.subarray(0, this.#size);
    }
    let size = varintBytes(ids.length) + varintBytes(total) + varintBytes(unlisted);
    for (let i = 0; i < ids.length; i++) size += this.#idBytes + varintBytes(counts[i]!);
    for (const number of [size, ids.length, total, unlisted]) this.#varint(number);
    for (let i = 0; i < ids.length; i++) {
      this.#id(ids[i]!);
      this.#varint(counts[i]!);
    }
    return this.#bytes.subarray(0, this.#size);
  }

  #id(id: number): void {
    for (let shift = 0; shift < 8 * this.#idBytes; shift += 8)
      this.#bytes[this.#size++] = id >>> shift;
  }

  #varint(value: number): void {
    let rest = value;
    for (; rest >= 128; rest >>>= 7) this.#bytes[this.#size++] = rest | 128;
    this.#bytes[this.#size++] = rest;
  }

  #reserve(size: number): void {
    if (this.#bytes.length < size) this.#bytes = new Uint8Array(2 * size);
  }
}

export class RowScanner {
  readonly #vocabSize: number;
  readonly #idBytes: number;
  /** Of the row that was read last. */
  ids: Uint32Array = new Uint32Array(64);
  counts: Uint32Array = new Uint32Array(64);
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;

  constructor(vocabSize: number) {
    this.#vocabSize = vocabSize;
    this.#idBytes = idBytesOf(vocabSize);
  }

  /**
   * Looks for the row of the `depth` ids before `place` of `ids` among the bytes `from`..`to`-1; false if it is not
   * there. Throws `FormatError` for bytes that are no rows.
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
      const ofDepth = first & (single - 1);
      this.#need(ofDepth * this.#idBytes);
      const isIt = ofDepth === depth && this.#isContext(ids, place, depth);
      this.#at += ofDepth * this.#idBytes;
      if (first >= single) {
        this.#need(this.#idBytes);
        if (isIt) {
          head.total = head.distinct = head.largest = head.listed = 1;
          head.at = this.#at;
          head.isSingle = true;
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
   * Reads the successors of a row that was found in these bytes into `ids` and `counts`, which are valid until the next
   * row, and returns the sum of their counts. Throws `FormatError` for ids and counts that chances cannot be made of.
   */
  readSuccessors(bytes: Uint8Array, { at, listed, isSingle, total }: RowHead): number {
    if (listed > this.#vocabSize) throw damaged("a row with more successors than there are ids");
    if (this.ids.length < listed) {
      this.ids = new Uint32Array(2 * listed);
      this.counts = new Uint32Array(2 * listed);
    }
    this.#bytes = bytes;
    this.#at = at;
    this.#end = bytes.length;
    let sum = 0;
    for (let i = 0; i < listed; i++) {
      const id = this.#id();
      const count = isSingle ? 1 : this.#varint();
      if (id >= this.#vocabSize) throw damaged(`id ${id} of a vocabulary of ${this.#vocabSize}`);
      sum += count;
      if (count < 1 || sum > total) throw damaged("a row whose counts are not those of its sum");
      this.ids[i] = id;
      this.counts[i] = count;
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
    if (head.largest < 1 || head.largest > head.total)
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
    if (this.#at + size > this.#end) throw damaged("a row that ends behind its bucket");
  }
}

function varintBytes(value: number): number {
  let n = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) n++;
  return n;
}

function damaged(what: string): FormatError {
  return new FormatError(
    `a bucket of the counted memory holds ${what}; check the model with \`engram verify\``,
  );
}
