/**
 * The exact index of taught wordings: which of them have a key that ends at a position of a text. Keys are whole n-grams,
 * stored once with their wording and compared id by id, so no two can be confused; a rolling hash only says where to
 * look. Grows in place: an entry is never moved or changed, so who asks with an older filter sees what was there.
 * Knows ids; not facts or scopes.
 */
import { MAX_KEY, type SuccessorEdit } from "./edit.ts";

/** An odd multiplier, so that no id is shifted out; the golden ratio's, after Knuth. */
const MULTIPLIER = 0x9e3779b1;
const POWERS: Int32Array = Int32Array.from({ length: MAX_KEY }, () => 1);
for (let n = 1; n < MAX_KEY; n++) POWERS[n] = Math.imul(POWERS[n - 1]!, MULTIPLIER);

export interface Found<Value> {
  readonly value: Value;
  /** What was taught to follow. */
  readonly id: number;
  /** Ids of the key. */
  readonly length: number;
}

export class KeyIndex<Value> {
  readonly #wordings: { readonly ids: Int32Array; readonly value: Value }[] = [];
  /** By entry: the wording, and where in it the key ends. */
  #wordingOf = new Uint32Array(128);
  #endOf = new Uint32Array(128);
  #hashOf = new Int32Array(128);
  #size = 0;
  /** Open addressing: entry + 1, or 0. */
  #slots = new Uint32Array(256);
  /** How many keys have each length. */
  readonly #ofLength = new Uint32Array(MAX_KEY + 1);
  #longest = 0;
  /** A bit for each hash of the last two ids of a key: most positions of a text end in none, and cost one look. */
  readonly #endings = new Uint8Array(TAIL_BITS / 8);
  #hasShort = false;

  /** Keys. */
  get size(): number {
    return this.#size;
  }

  add({ ids, from }: SuccessorEdit, value: Value): void {
    const wording = Int32Array.from(ids);
    const number = this.#wordings.push({ ids: wording, value }) - 1;
    for (let end = from; end < wording.length; end++) {
      const length = Math.min(end, MAX_KEY);
      let hash = 0;
      for (let n = 0; n < length; n++) hash = extend(hash, wording[end - 1 - n]!, n);
      this.#insert(mixed(hash, length), number, end);
      if (length === 1) this.#hasShort = true;
      else {
        const bit = ending(wording[end - 1]!, wording[end - 2]!);
        this.#endings[bit >>> 3]! |= 1 << (bit & 7);
      }
      this.#ofLength[length]!++;
      this.#longest = Math.max(this.#longest, length);
    }
  }

  /**
   * The longest key that ends at `ids[at]` and does not begin before `begin`. Of equal keys the one whose value ranks
   * highest, and of equal ranks the one that came last; a rank below 0 is left out.
   */
  find(
    ids: ArrayLike<number>,
    { at, begin, rank }: { at: number; begin: number; rank: (value: Value) => number },
  ): Found<Value> | undefined {
    const most = Math.min(this.#longest, at - begin + 1);
    if (most < 1) return undefined;
    if (!this.#hasShort) {
      const bit = most < 2 ? -1 : ending(ids[at]!, ids[at - 1]!);
      if (bit < 0 || (this.#endings[bit >>> 3]! & (1 << (bit & 7))) === 0) return undefined;
    }
    let best: Found<Value> | undefined;
    let hash = 0;
    for (let n = 0; n < most; n++) {
      hash = extend(hash, ids[at - n]!, n);
      if (this.#ofLength[n + 1] === 0) continue;
      best = this.#best(mixed(hash, n + 1), { ids, at, length: n + 1, rank }) ?? best;
    }
    return best;
  }

  #best(
    hash: number,
    {
      ids,
      at,
      length,
      rank,
    }: { ids: ArrayLike<number>; at: number; length: number; rank: (value: Value) => number },
  ): Found<Value> | undefined {
    const mask = this.#slots.length - 1;
    let best: Found<Value> | undefined;
    let highest = 0;
    // Equal keys have one hash, and stand in the order in which they came.
    for (let slot = hash & mask; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const entry = this.#slots[slot]! - 1;
      if (this.#hashOf[entry] !== hash) continue;
      const { ids: wording, value } = this.#wordings[this.#wordingOf[entry]!]!;
      const end = this.#endOf[entry]!;
      const of = rank(value);
      if (of < highest || Math.min(end, MAX_KEY) !== length) continue;
      let n = 0;
      while (n < length && wording[end - 1 - n] === ids[at - n]) n++;
      if (n < length) continue;
      highest = of;
      best = { value, id: wording[end]!, length };
    }
    return best;
  }

  #insert(hash: number, wording: number, end: number): void {
    if (2 * (this.#size + 1) > this.#slots.length) this.#grow();
    const entry = this.#size++;
    this.#wordingOf[entry] = wording;
    this.#endOf[entry] = end;
    this.#hashOf[entry] = hash;
    this.#place(entry);
  }

  #place(entry: number): void {
    const mask = this.#slots.length - 1;
    let slot = this.#hashOf[entry]! & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = entry + 1;
  }

  #grow(): void {
    const slots = 2 * this.#slots.length;
    this.#wordingOf = enlarged(this.#wordingOf, slots / 2);
    this.#endOf = enlarged(this.#endOf, slots / 2);
    this.#hashOf = enlarged(this.#hashOf, slots / 2);
    this.#slots = new Uint32Array(slots);
    for (let entry = 0; entry < this.#size; entry++) this.#place(entry);
  }
}

/** The hash of a key with one id more before it, the `n`-th from its end. */
function extend(hash: number, id: number, n: number): number {
  return (hash + Math.imul(id + 1, POWERS[n]!)) | 0;
}

const TAIL_BITS = 2 ** 20;

function ending(last: number, before: number): number {
  return mixed(extend(extend(0, last, 0), before, 1), 2) & (TAIL_BITS - 1);
}

function mixed(hash: number, length: number): number {
  const x = Math.imul(hash ^ (hash >>> 16) ^ length, 0x85ebca6b);
  return x ^ (x >>> 13);
}

function enlarged<Numbers extends Uint32Array | Int32Array>(old: Numbers, size: number): Numbers {
  if (old.length >= size) return old;
  const larger = new (old.constructor as new (size: number) => Numbers)(size);
  larger.set(old);
  return larger;
}
