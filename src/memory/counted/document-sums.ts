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
  readonly #sum = new Uint32Array(2);

  /** Of n-grams of `order` ids, at most `most` of them. */
  constructor({ order, most }: { order: number; most: number }) {
    this.#order = order;
    this.#most = Math.max(1, most);
    this.#entries = emptyTable(2 ** 10);
  }

  /** Counts the n-grams of a document, whose number is at least that of the one before. */
  add(ids: ArrayLike<number>, document: number): void {
    for (let at = this.#order - 1; at < ids.length; at++) {
      sumOf(ids, { at, order: this.#order }, this.#sum);
      const [low, high] = this.#sum as unknown as [number, number];
      if ((low & this.#mask) !== 0) continue;
      this.#insert(low, high, Math.min(document, MOST_DOCUMENTS) * 2);
    }
  }

  /** [n, 3], by rising sums. */
  finish(): Uint32Array {
    const all = this.#entries;
    const order = new Uint32Array(this.#size);
    let size = 0;
    for (let slot = 0; slot < all.length; slot += ENTRY)
      if (all[slot + 2] !== EMPTY) order[size++] = slot;
    order.sort((a, b) => all[a + 1]! - all[b + 1]! || all[a]! - all[b]!);
    const sorted = new Uint32Array(ENTRY * size);
    for (const [i, slot] of order.entries())
      sorted.set(all.subarray(slot, slot + ENTRY), i * ENTRY);
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
    const slots = all.length / ENTRY;
    for (let slot = high & (slots - 1); ; slot = (slot + 1) & (slots - 1)) {
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
      this.#entries.set(old.subarray(at, at + ENTRY), this.#slotOf(old[at]!, old[at + 1]!));
      this.#size++;
    }
  }
}

/** A list that was built, to be asked. */
export class DocumentsOfNgrams {
  readonly #order: number;
  readonly #entries: Uint32Array;
  readonly #sum = new Uint32Array(2);

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
    sumOf(ids, { at, order: this.#order }, this.#sum);
    const [low, high] = this.#sum as unknown as [number, number];
    const all = this.#entries;
    let [from, to] = [0, all.length / ENTRY];
    while (from < to) {
      const middle = (from + to) >>> 1;
      const place = middle * ENTRY;
      const rise = all[place + 1]! - high || all[place]! - low;
      if (rise === 0)
        return { document: all[place + 2]! >>> 1, isOnly: (all[place + 2]! & 1) === 0 };
      if (rise < 0) from = middle + 1;
      else to = middle;
    }
    return undefined;
  }
}

function emptyTable(slots: number): Uint32Array {
  return new Uint32Array(slots * ENTRY).fill(EMPTY);
}

/** Two sums of 32 bits of `order` ids up to `at`: FNV-1a's and Murmur's steps, by ids, each mixed at the end (Murmur3). */
function sumOf(
  ids: ArrayLike<number>,
  { at, order }: { at: number; order: number },
  into: Uint32Array,
): void {
  let one = 0x811c_9dc5;
  let other = 0x9747_b28c;
  for (let i = at - order + 1; i <= at; i++) {
    const id = ids[i]!;
    one = Math.imul(one ^ id, 0x0100_0193);
    one ^= one >>> 15;
    let k = Math.imul(id + 1, 0xcc9e_2d51);
    k = Math.imul((k << 15) | (k >>> 17), 0x1b87_3593);
    other ^= k;
    other = (Math.imul((other << 13) | (other >>> 19), 5) + 0xe654_6b64) | 0;
  }
  into[0] = mixed(one);
  into[1] = mixed(other);
}

function mixed(sum: number): number {
  let x = Math.imul(sum ^ (sum >>> 16), 0x85eb_ca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2_ae35);
  return x ^ (x >>> 16);
}
