/**
 * From which document of a corpus an n-gram is: a list of n-grams, by a sum of 64 bits each, with the first document that
 * has it and whether it is the only one. Bounded: where there are more than it may hold, those stay whose sums end in more
 * zero bits, so which ones stay depends on nothing but the corpus. Two n-grams with one sum would be taken for each other:
 * of a million listed, in one look-up of 10^13. Knows ids; no texts and no formats.
 */
import { FormatError } from "../../errors.ts";

/** Numbers of an entry: the sum's low and high half; twice the document's number, and one where others have it, too. */
export const ENTRY = 3;
const EMPTY = 0xffff_ffff;
/** Documents that can be told apart. */
const MOST_DOCUMENTS = 2 ** 31 - 1;

export class DocumentSums {
  readonly #order: number;
  readonly #most: number;
  #entries: Uint32Array;
  #size = 0;
  /** Sums that have one of these bits are left out. */
  #mask = 0;

  /** Of n-grams of `order` ids, at most `most` of them. */
  constructor({ order, most }: { order: number; most: number }) {
    this.#order = order;
    this.#most = Math.max(1, most);
    this.#entries = emptyTable(2 ** 10);
  }

  /** Counts the n-grams of a document, whose number is at least that of the one before. */
  add(ids: ArrayLike<number>, document: number): void {
    const order = this.#order;
    for (let end = order; end <= ids.length; end++) {
      const low = lowSum(ids, end - order, end);
      if ((low & this.#mask) !== 0) continue;
      this.#insert(low, highSum(ids, end - order, end), Math.min(document, MOST_DOCUMENTS) * 2);
    }
  }

  /** [n, 3], by rising sums. */
  finish(): Uint32Array {
    const all = this.#entries;
    // Sums as numbers of 64 bits, which are sorted without a call for each pair.
    const keys = new BigUint64Array(this.#size);
    const halves = new Uint32Array(keys.buffer);
    const [ofLow, ofHigh] = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1 ? [0, 1] : [1, 0];
    let size = 0;
    for (let slot = 0; slot < all.length; slot += ENTRY) {
      if (all[slot + 2] === EMPTY) continue;
      halves[size + ofLow] = all[slot]!;
      halves[size + ofHigh] = all[slot + 1]!;
      size += 2;
    }
    keys.sort();
    const sorted = new Uint32Array(ENTRY * keys.length);
    for (let i = 0; i < keys.length; i++) {
      const [low, high] = [halves[2 * i + ofLow]!, halves[2 * i + ofHigh]!];
      sorted[ENTRY * i] = low;
      sorted[ENTRY * i + 1] = high;
      sorted[ENTRY * i + 2] = all[this.#slotOf(low, high) + 2]!;
    }
    return sorted;
  }

  #insert(low: number, high: number, document: number): void {
    let slot = this.#slotOf(low, high);
    const found = this.#entries[slot + 2]!;
    if (found !== EMPTY) {
      if (found >>> 1 !== document >>> 1) this.#entries[slot + 2] = (found | 1) >>> 0;
      return;
    }
    if (this.#size === this.#most) {
      this.#narrow();
      if ((low & this.#mask) === 0) this.#insert(low, high, document);
      return;
    }
    if (2 * ENTRY * (this.#size + 1) > this.#entries.length) {
      this.#rebuild(2 * this.#entries.length);
      slot = this.#slotOf(low, high);
    }
    this.#size++;
    this.#entries[slot] = low;
    this.#entries[slot + 1] = high;
    this.#entries[slot + 2] = document;
  }

  /** Where a sum is, or would be. */
  #slotOf(low: number, high: number): number {
    const all = this.#entries;
    const last = all.length / ENTRY - 1;
    for (let slot = high & last; ; slot = (slot + 1) & last) {
      const at = slot * ENTRY;
      if (all[at + 2] === EMPTY || (all[at] === low && all[at + 1] === high)) return at;
    }
  }

  #narrow(): void {
    if (this.#mask === -1) throw new FormatError("n-grams whose sums are all alike");
    this.#mask = (this.#mask << 1) | 1;
    this.#rebuild(this.#entries.length);
    if (this.#size === this.#most) this.#narrow();
  }

  #rebuild(length: number): void {
    const old = this.#entries;
    this.#entries = emptyTable(length / ENTRY);
    this.#size = 0;
    for (let at = 0; at < old.length; at += ENTRY) {
      if (old[at + 2] === EMPTY || (old[at]! & this.#mask) !== 0) continue;
      const slot = this.#slotOf(old[at]!, old[at + 1]!);
      this.#entries[slot] = old[at]!;
      this.#entries[slot + 1] = old[at + 1]!;
      this.#entries[slot + 2] = old[at + 2]!;
      this.#size++;
    }
  }
}

/** A list that was built, to be asked. */
export class DocumentsOfNgrams {
  readonly #order: number;
  readonly #entries: Uint32Array;

  /** Throws `FormatError` for a list that is not in its order, or names documents that are not there. */
  constructor(entries: Uint32Array, { order, documents }: { order: number; documents: number }) {
    this.#order = order;
    this.#entries = entries;
    for (let at = 0; at < entries.length; at += ENTRY) {
      if (entries[at + 2]! >>> 1 >= documents)
        throw new FormatError(`an n-gram of document ${entries[at + 2]! >>> 1}, of ${documents}`);
      if (at === 0) continue;
      const rise =
        entries[at + 1]! - entries[at + 1 - ENTRY]! || entries[at]! - entries[at - ENTRY]!;
      if (rise <= 0) throw new FormatError("n-grams that are not in the order of their sums");
    }
  }

  /** Of the n-gram whose last id is `ids[at]`; undefined where it is not listed. */
  find(
    ids: ArrayLike<number>,
    at: number,
  ): { readonly document: number; readonly isOnly: boolean } | undefined {
    if (at < this.#order - 1) return undefined;
    const [from, end] = [at + 1 - this.#order, at + 1];
    const [low, high] = [lowSum(ids, from, end), highSum(ids, from, end)];
    const all = this.#entries;
    let [first, last] = [0, all.length / ENTRY];
    while (first < last) {
      const middle = (first + last) >>> 1;
      const place = middle * ENTRY;
      const rise = all[place + 1]! - high || all[place]! - low;
      if (rise === 0)
        return { document: all[place + 2]! >>> 1, isOnly: (all[place + 2]! & 1) === 0 };
      if (rise < 0) first = middle + 1;
      else last = middle;
    }
    return undefined;
  }
}

function emptyTable(slots: number): Uint32Array {
  return new Uint32Array(slots * ENTRY).fill(EMPTY);
}

/** The low 32 bits of the sum of the ids `from`..`end`-1: FNV-1a's steps, by ids, mixed at the end. */
function lowSum(ids: ArrayLike<number>, from: number, end: number): number {
  let sum = 0x811c_9dc5;
  for (let i = from; i < end; i++) {
    sum = Math.imul(sum ^ ids[i]!, 0x0100_0193);
    sum ^= sum >>> 15;
  }
  return mixed(sum);
}

/** The high ones: Murmur3's steps. */
function highSum(ids: ArrayLike<number>, from: number, end: number): number {
  let sum = 0x9747_b28c;
  for (let i = from; i < end; i++) {
    let k = Math.imul(ids[i]! + 1, 0xcc9e_2d51);
    k = Math.imul((k << 15) | (k >>> 17), 0x1b87_3593);
    sum ^= k;
    sum = (Math.imul((sum << 13) | (sum >>> 19), 5) + 0xe654_6b64) | 0;
  }
  return mixed(sum);
}

/** Murmur3's last steps, without a sign. */
function mixed(sum: number): number {
  let x = Math.imul(sum ^ (sum >>> 16), 0x85eb_ca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2_ae35);
  return (x ^ (x >>> 16)) >>> 0;
}
