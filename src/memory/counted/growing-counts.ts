/**
 * Counts of a text that grows while it is read: for each context of 1 to K ids, what followed it the last times that it was
 * met. Nothing is ever changed, only added, so a view of the first `length` ids stays what it is whatever comes later.
 * A context is found by a hash and compared id by id: none is taken for another. Knows ids; no texts, files or models.
 *
 * Interpolated as in `distributions.ts`, with one discount and with plain counts in all orders:
 *
 *     p_n(w) = max(c(w) - D, 0) / total + D distinct / total p_{n-1}(w)      p_1: given, of all ids
 *
 * P positions, K contexts of 1, 2, … ids, E = 3 K.
 */
import {
  type Addresses,
  type Distributions,
  doneLookUp,
  type MemoryInput,
  type MemoryReader,
  NO_STATES,
  type Origins,
  type TokenSpan,
} from "../memory.ts";
import type { TableReport } from "../tiers.ts";
import type { CountsPart } from "./blended-counts.ts";
import { checkId } from "./counted-memory.ts";
import { EVIDENCE } from "./evidence.ts";

/** Between texts; no id. No context reaches across it, and it follows nothing. */
const BREAK = 0xffff_ffff;

/** D of absolute discounting: between those of the counts one, two and more in Chen and Goodman 1999. */
const DISCOUNT = 0.75;

/**
 * How often a context is looked for, the last time first. Bounds the time of a look-up; and of a context that is met all the time
 * only the last count, which is as it should be where what is written changes.
 */
const MOST_PLACES = 128;

export class GrowingCounts {
  /** Ids of the longest contexts. */
  readonly depth: number;
  readonly vocabSize: number;
  #ids: Uint32Array;
  #length = 0;
  /** Where each text begins. */
  readonly #starts: number[] = [];
  /** By depth - 1: the last place before each with the same hash, and by hash the last of all; -1: none. */
  #before: Int32Array[];
  #last: Int32Array[];
  /** Nobody can write a text whose contexts all have one hash. */
  readonly #seed = crypto.getRandomValues(new Uint32Array(1))[0]!;

  constructor({ depth, vocabSize }: { depth: number; vocabSize: number }) {
    this.depth = depth;
    this.vocabSize = vocabSize;
    const room = 2 ** 12;
    this.#ids = new Uint32Array(room);
    this.#before = this.#tables(room);
    this.#last = this.#tables(room);
  }

  /** Places, with one for each text's end. */
  get length(): number {
    return this.#length;
  }

  /** Adds a text. Throws `RequestError` for ids outside the vocabulary, with nothing added. */
  add(text: ArrayLike<number>): void {
    for (let i = 0; i < text.length; i++) checkId(text[i]!, this.vocabSize);
    const end = this.#length + text.length + 1;
    if (end > this.#ids.length) this.#grow(2 ** Math.ceil(Math.log2(end)));
    this.#starts.push(this.#length);
    this.#ids.set(Uint32Array.from(text), this.#length);
    this.#ids[end - 1] = BREAK;
    this.#link(this.#length, end);
    this.#length = end;
  }

  /**
   * What followed the last `depth` ids up to `place` of a text, in the first `length` places, the last first. Fills `into`, and
   * returns how many there are.
   */
  followers(
    ids: Uint32Array,
    { place, depth, length }: { place: number; depth: number; length: number },
    into: Uint32Array,
  ): number {
    const own = this.#ids;
    const before = this.#before[depth - 1]!;
    let found = 0;
    let at = this.#last[depth - 1]![this.#hash(ids, place, depth)]!;
    for (; at >= 0 && found < MOST_PLACES; at = before[at]!) {
      // Later than this view, or its last: what followed is not of it.
      if (at >= length - 1) continue;
      let same = 0;
      while (same < depth && own[at - same] === ids[place - same]) same++;
      if (same === depth && own[at + 1] !== BREAK) into[found++] = own[at + 1]!;
    }
    return found;
  }

  /**
   * Which text of the first `length` places has the longest context before `ids[at]`, and that id behind it: its number, from
   * 0, the last first; and whether no other was met that has them.
   */
  textOf(
    ids: ArrayLike<number>,
    { at, length }: { at: number; length: number },
  ): { readonly text: number; readonly isOnly: boolean } | undefined {
    const { depth } = this;
    if (at < depth) return undefined;
    const ngram = Uint32Array.from({ length: depth + 1 }, (_, i) => ids[at - depth + i]!);
    const own = this.#ids;
    let text: number | undefined;
    let place = this.#last[depth - 1]![this.#hash(ngram, depth - 1, depth)]!;
    for (let n = 0; place >= 0 && n < MOST_PLACES; place = this.#before[depth - 1]![place]!, n++) {
      if (place >= length - 1) continue;
      let same = 0;
      while (same <= depth && own[place + 1 - same] === ngram[depth - same]) same++;
      if (same <= depth) continue;
      const of = this.#textAt(place);
      if (text !== undefined && of !== text) return { text, isOnly: false };
      text = of;
    }
    return text === undefined ? undefined : { text, isOnly: true };
  }

  #textAt(place: number): number {
    let [from, to] = [0, this.#starts.length];
    while (to - from > 1) {
      const middle = (from + to) >>> 1;
      if (this.#starts[middle]! <= place) from = middle;
      else to = middle;
    }
    return from;
  }

  #tables(room: number): Int32Array[] {
    return Array.from({ length: this.depth }, () => new Int32Array(room).fill(-1));
  }

  #grow(room: number): void {
    const ids = new Uint32Array(room);
    ids.set(this.#ids.subarray(0, this.#length));
    this.#ids = ids;
    this.#before = this.#tables(room);
    this.#last = this.#tables(room);
    this.#link(0, this.#length);
  }

  /** Adds the contexts that end at places `from` to `to`-1. */
  #link(from: number, to: number): void {
    for (let depth = 1; depth <= this.depth; depth++) {
      const [before, last] = [this.#before[depth - 1]!, this.#last[depth - 1]!];
      for (let at = Math.max(from, depth - 1); at < to; at++) {
        if (this.#ids[at] === BREAK) continue;
        const hash = this.#hash(this.#ids, at, depth);
        before[at] = last[hash]!;
        last[hash] = at;
      }
    }
  }

  /** Of the last `depth` ids up to `place` (as FNV-1a, by ids). */
  #hash(ids: Uint32Array, place: number, depth: number): number {
    let hash = this.#seed;
    for (let i = 0; i < depth; i++) hash = Math.imul(hash ^ ids[place - i]!, 0x0100_0193);
    return ((hash ^ (hash >>> 15)) >>> 0) & (this.#ids.length - 1);
  }
}

/** The first places of growing counts, as a memory beside other counts. */
export class GrownCounts implements CountsPart {
  readonly identity: string;
  readonly statesIdentity: string = NO_STATES;
  readonly inputs: readonly MemoryInput[];
  readonly numDistributions: number;
  readonly vocabSize: number;
  readonly takesHints = false;
  readonly origins: readonly Origins[];
  readonly #counts: GrowingCounts;
  readonly #length: number;
  readonly #unigrams: Float32Array;

  /** `unigrams` are p_1 [V]; `input` is that of counts of one order more than their longest contexts; `source` names its texts. */
  constructor(
    counts: GrowingCounts,
    {
      identity,
      input,
      unigrams,
      source,
    }: {
      identity: string;
      input: MemoryInput;
      unigrams: Float32Array;
      source?: (text: number) => { readonly scope: string; readonly document: number };
    },
  ) {
    this.#counts = counts;
    this.#length = counts.length;
    this.identity = identity;
    this.inputs = [input];
    this.numDistributions = counts.depth;
    this.vocabSize = counts.vocabSize;
    this.#unigrams = unigrams;
    const { length } = counts;
    const originOf: Origins["originOf"] = (ids, at) => {
      const found = counts.textOf(ids, { at, length });
      return found && { ...source!(found.text), isOnly: found.isOnly };
    };
    this.origins = source === undefined ? [] : [{ originOf }];
  }

  reader(): MemoryReader {
    const parts = { counts: this.#counts, length: this.#length, unigrams: this.#unigrams };
    const { layerId, width } = this.inputs[0]!;
    return {
      address: (texts) => addressesOf(texts, parts.counts),
      lookUp: (at, into) => {
        const rows = new GrownRows(at as GrownAddresses, parts);
        const evidence = into.get(layerId);
        if (evidence !== undefined) rows.describe(evidence, width);
        return { ...doneLookUp, distributions: rows };
      },
      hint: () => undefined,
    };
  }

  report(): TableReport {
    return { tiers: [], cache: undefined };
  }
}

interface GrownAddresses extends Addresses {
  /** The contexts, concatenated; [P] where each position's ends, and how long it is. */
  readonly ids: Uint32Array;
  readonly ends: Uint32Array;
  readonly depths: Uint8Array;
}

function addressesOf(texts: readonly TokenSpan[], counts: GrowingCounts): GrownAddresses {
  const numPositions = texts.reduce((sum, { from, to }) => sum + to - from, 0);
  const ids = new Uint32Array(numPositions + texts.length * (counts.depth - 1));
  const ends = new Uint32Array(numPositions);
  const depths = new Uint8Array(numPositions);
  let [size, position] = [0, 0];
  for (const { ids: of, begin = 0, from, to } of texts) {
    const first = Math.max(begin, from - counts.depth + 1);
    for (let at = first; at < to; at++) ids[size + at - first] = checkId(of[at]!, counts.vocabSize);
    for (let at = from; at < to; at++, position++) {
      ends[position] = size + at - first;
      depths[position] = Math.min(counts.depth, at - first + 1);
    }
    size += to - first;
  }
  return { numPositions, rows: new Map(), ids, ends, depths };
}

/** What followed a context: different ids, and how often. */
interface Row {
  readonly ids: readonly number[];
  readonly counts: readonly number[];
  readonly total: number;
}

class GrownRows implements Distributions {
  readonly count: number;
  readonly #unigrams: Float32Array;
  /** [P, K]; undefined: the context was never met. */
  readonly #rows: (Row | undefined)[] = [];

  constructor(
    { numPositions, ids, ends, depths }: GrownAddresses,
    { counts, length, unigrams }: { counts: GrowingCounts; length: number; unigrams: Float32Array },
  ) {
    this.count = counts.depth;
    this.#unigrams = unigrams;
    const found = new Uint32Array(MOST_PLACES);
    for (let position = 0; position < numPositions; position++) {
      let isMet = true;
      for (let depth = 1; depth <= counts.depth; depth++) {
        let row: Row | undefined;
        // What was never met has no longer one that was.
        if (isMet && depth <= depths[position]!) {
          const at = { place: ends[position]!, depth, length };
          row = rowOf(found.subarray(0, counts.followers(ids, at, found)));
        }
        isMet = row !== undefined;
        this.#rows.push(row);
      }
    }
  }

  /** Fills the evidence [P, E]. */
  describe(into: Float32Array, width: number): void {
    for (const [place, row] of this.#rows.entries()) {
      const at = Math.floor(place / this.count) * width + (place % this.count) * EVIDENCE;
      into[at] = row === undefined ? -1 : Math.log1p(row.total) / 2;
      into[at + 1] = row === undefined ? 0 : row.ids.length / row.total;
      into[at + 2] = row === undefined ? 0 : Math.max(...row.counts) / row.total;
    }
  }

  chances(position: number, id: number, into: Float32Array): void {
    let chance = this.#unigrams[id]!;
    for (let context = 0; context < this.count; context++) {
      const row = this.#rows[position * this.count + context];
      if (row !== undefined) {
        const at = row.ids.indexOf(id);
        const own = at === -1 ? 0 : row.counts[at]! - DISCOUNT;
        chance = (own + DISCOUNT * row.ids.length * chance) / row.total;
      }
      into[context] = chance;
    }
  }

  add(position: number, weights: ArrayLike<number>, probs: Float32Array): void {
    let weight = 0;
    for (let context = this.count - 1; context >= 0; context--) {
      weight += weights[context]!;
      const row = this.#rows[position * this.count + context];
      if (row === undefined) continue;
      const share = weight / row.total;
      for (const [i, id] of row.ids.entries()) probs[id]! += share * (row.counts[i]! - DISCOUNT);
      weight *= (DISCOUNT * row.ids.length) / row.total;
    }
    for (let id = 0; id < this.#unigrams.length; id++) probs[id]! += weight * this.#unigrams[id]!;
  }
}

function rowOf(followers: Uint32Array): Row | undefined {
  if (followers.length === 0) return undefined;
  const ids: number[] = [];
  const counts: number[] = [];
  for (const id of followers.toSorted())
    if (ids.at(-1) === id) counts[counts.length - 1]!++;
    else {
      ids.push(id);
      counts.push(1);
    }
  return { ids, counts, total: followers.length };
}
