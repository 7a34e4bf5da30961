/**
 * A memory of counted successors. For each position it gives distributions over the next id, and a vector of evidence
 * (how reliable each distribution is) for the model that weights them. It is the second kind of memory beside hashed
 * rows. Nothing in it is learned and no contexts share a row. Its addresses, too, depend only on ids.
 *
 * P positions, K = order - 1 contexts per position (of 1, 2, … ids), E = 3 K.
 */
import { RequestError, StoreError } from "../../errors.ts";
import {
  type Addresses,
  type Distributions,
  type LookUp,
  type Memory,
  type MemoryInput,
  type MemoryReader,
  NO_STATES,
  type Origins,
  type TokenSpan,
} from "../memory.ts";
import { lookUpAtOnce } from "./look-up-at-once.ts";
import { reportTables, type TableReport } from "../tiers.ts";
import { bucketOf, numContextsIn } from "./bucket-placement.ts";
import { BLOCK_BYTES, countedBytes, type CountedTable } from "./counted-table.ts";
import { type ContextAt, contextsNamed, type CountsAblation } from "./counts-ablation.ts";
import { EVIDENCE, evidenceWidth } from "./evidence.ts";
import { rowChances, type RowChances, unigramChances } from "./distributions.ts";
import { noHead, type RowHead, RowScanner } from "./row-bytes.ts";

export class CountedMemory implements Memory {
  readonly identity: string;
  readonly statesIdentity: string = NO_STATES;
  readonly inputs: readonly MemoryInput[];
  readonly numDistributions: number;
  readonly table: CountedTable;
  readonly unigrams: Float32Array;
  readonly origins: readonly Origins[];
  /** Contexts that read as if they had never occurred. Absent: none. */
  readonly isGone: ((at: ContextAt) => boolean) | undefined;

  /**
   * `layerId`: the layer that gets the evidence as input; the number of layers stands for the output. `order`: of what is
   * read, by default the table's; contexts that a table of shorter n-grams does not have were never met.
   */
  constructor(
    table: CountedTable,
    {
      layerId,
      identity,
      order = table.order,
      origins,
      isGone,
    }: {
      layerId: number;
      identity?: string | undefined;
      order?: number | undefined;
      origins?: Origins | undefined;
      isGone?: ((at: ContextAt) => boolean) | undefined;
    },
  ) {
    this.table = table;
    this.origins = origins === undefined ? [] : [origins];
    this.isGone = isGone;
    this.identity = identity ?? crypto.getRandomValues(new Uint32Array(4)).join("-");
    this.numDistributions = order - 1;
    this.inputs = [{ layerId, width: evidenceWidth(order) }];
    this.unigrams = unigramChances(table.unigrams, table.discounts[0]!);
  }

  get vocabSize(): number {
    return this.table.vocabSize;
  }

  get takesHints(): boolean {
    return this.table.buckets.prefetch !== undefined;
  }

  /** Of its table and the table's directory, at rest. */
  get numBytes(): number {
    return countedBytes(this.table);
  }

  /** About how many contexts have a row. */
  get numContexts(): number {
    const { offsets, vocabSize } = this.table;
    return vocabSize + numContextsIn(offsets.length - 1, vocabSize);
  }

  reader(): MemoryReader {
    return new CountedReader(this.inputs[0]!, () => this);
  }

  /** The same table, in which what is named reads as if it had never occurred. Throws `RequestError`. */
  without(ablation: CountsAblation): CountedMemory {
    const { table, inputs, numDistributions, origins } = this;
    const order = numDistributions + 1;
    return new CountedMemory(table, {
      layerId: inputs[0]!.layerId,
      identity: `${this.identity} without ${JSON.stringify(ablation)}`,
      order,
      origins: origins[0],
      isGone: contextsNamed(ablation, { order, vocabSize: table.vocabSize }),
    });
  }

  report(): TableReport {
    return reportTables([{ store: this.table.buckets }]);
  }
}

/** The table read at some positions: counts of the whole text, or of all folds except one. */
export type CountsAt = (source: number | undefined) => CountedMemory;

interface CountedAddresses extends Addresses {
  /** The contexts, concatenated. */
  readonly ids: Uint32Array;
  /** [P] The end of each position's context in `ids`, and its length. */
  readonly ends: Uint32Array;
  readonly depths: Uint8Array;
  /** [P] */
  readonly counts: readonly CountedMemory[];
}

/** The bytes `from`..`to`-1 of the buckets that were read, in which a row is searched. */
interface Wanted {
  readonly blocks: number[];
  /** [P, K] */
  readonly from: Uint32Array;
  readonly to: Uint32Array;
}

export class CountedReader implements MemoryReader {
  readonly #input: MemoryInput;
  readonly #countsAt: CountsAt;
  readonly #numContexts: number;
  /** Ids of the longest contexts that have rows. */
  readonly #deepest: number;
  readonly #scanner: RowScanner;
  #bytes = new Map<CountedMemory, Uint8Array>();

  /** `countsAt` are of one order and vocabulary. */
  constructor(input: MemoryInput, countsAt: CountsAt) {
    this.#input = input;
    this.#countsAt = countsAt;
    const { numDistributions, table } = countsAt(undefined);
    this.#numContexts = numDistributions;
    this.#deepest = Math.min(numDistributions, table.order - 1);
    this.#scanner = new RowScanner(table.vocabSize);
  }

  address(texts: readonly TokenSpan[]): CountedAddresses {
    const numPositions = texts.reduce((sum, { from, to }) => sum + to - from, 0);
    const reach = this.#deepest;
    const { vocabSize } = this.#countsAt(undefined).table;
    const ids = new Uint32Array(numPositions + texts.length * (reach - 1));
    const ends = new Uint32Array(numPositions);
    const depths = new Uint8Array(numPositions);
    const counts: CountedMemory[] = [];
    let size = 0;
    let position = 0;
    for (const { ids: of, begin = 0, from, to, source } of texts) {
      const first = Math.max(begin, from - reach + 1);
      for (let at = first; at < to; at++) ids[size + at - first] = checkId(of[at]!, vocabSize);
      for (let at = from; at < to; at++, position++) {
        ends[position] = size + at - first + 1;
        depths[position] = Math.min(reach, at - first + 1);
        // The fold of the id that is to be predicted.
        counts.push(this.#countsAt(source === undefined ? undefined : source + at - from + 1));
      }
      size += to - first;
    }
    return { numPositions, rows: new Map(), ids, ends, depths, counts };
  }

  lookUp(addresses: Addresses, into: ReadonlyMap<number, Float32Array>): LookUp {
    const at = addresses as CountedAddresses;
    const { layerId, width } = this.#input;
    const evidence = into.get(layerId);
    const rows = new CountedRows(at, this.#scanner, this.#numContexts);
    const wanted = this.#wanted(at);
    const missing = [...wanted].filter(([counts, { blocks }]) => {
      const { buckets } = counts.table;
      return (
        buckets.readNow?.(Uint32Array.from(blocks), this.#room(counts, blocks.length)) !== true
      );
    });
    const finish = (): void => {
      rows.find(wanted, this.#bytes);
      if (evidence !== undefined) rows.describe(evidence, width);
    };
    if (missing.length === 0) finish();
    return lookUpAtOnce({
      numRows: [...wanted.values()].reduce((sum, { blocks }) => sum + blocks.length, 0),
      distributions: rows,
      layerId,
      ...(missing.length > 0 && {
        read: async () => {
          const reads = missing.map(([counts, { blocks }]) =>
            counts.table.buckets.read(Uint32Array.from(blocks), this.#room(counts, blocks.length)),
          );
          await Promise.all(reads);
          finish();
        },
      }),
    });
  }

  hint(addresses: Addresses): void {
    for (const [counts, { blocks }] of this.#wanted(addresses as CountedAddresses))
      counts.table.buckets.prefetch?.(Uint32Array.from(blocks));
  }

  /** The blocks of the buckets that have the contexts of each position. */
  #wanted({
    numPositions,
    ids,
    ends,
    depths,
    counts,
  }: CountedAddresses): Map<CountedMemory, Wanted> {
    const wanted = new Map<CountedMemory, Wanted>();
    for (let position = 0; position < numPositions; position++) {
      const of = counts[position]!;
      let want = wanted.get(of);
      if (want === undefined) {
        const places = numPositions * this.#numContexts;
        want = { blocks: [], from: new Uint32Array(places), to: new Uint32Array(places) };
        wanted.set(of, want);
      }
      const { offsets } = of.table;
      for (let depth = 1; depth <= depths[position]!; depth++) {
        const context = { ids, place: ends[position]!, depth };
        if (of.isGone?.(context) === true) continue;
        const bucket = bucketOf(of.table, context);
        const [from, to] = [offsets[bucket]!, offsets[bucket + 1]!];
        if (from === to) continue;
        const first = Math.floor(from / BLOCK_BYTES);
        const place = position * this.#numContexts + depth - 1;
        want.from[place] = want.blocks.length * BLOCK_BYTES + from - first * BLOCK_BYTES;
        want.to[place] = want.from[place]! + to - from;
        for (let block = first; block * BLOCK_BYTES < to; block++) want.blocks.push(block);
      }
    }
    return wanted;
  }

  #room(counts: CountedMemory, blocks: number): Uint8Array {
    let bytes = this.#bytes.get(counts);
    if (bytes === undefined || bytes.length < blocks * BLOCK_BYTES) {
      bytes = new Uint8Array(2 * blocks * BLOCK_BYTES);
      this.#bytes.set(counts, bytes);
    }
    return bytes;
  }
}

/** The rows of one look-up, after their bytes were read. */
class CountedRows implements Distributions {
  readonly count: number;
  readonly #at: CountedAddresses;
  readonly #scanner: RowScanner;
  /** [P, K]; `listed` 0: the context never occurred. */
  readonly #heads: RowHead[];
  #bytes: ReadonlyMap<CountedMemory, Uint8Array> | undefined;

  constructor(at: CountedAddresses, scanner: RowScanner, numContexts: number) {
    this.count = numContexts;
    this.#at = at;
    this.#scanner = scanner;
    this.#heads = Array.from({ length: at.numPositions * numContexts }, noHead);
  }

  find(
    wanted: ReadonlyMap<CountedMemory, Wanted>,
    bytes: ReadonlyMap<CountedMemory, Uint8Array>,
  ): void {
    const { ids, ends, depths, counts, numPositions } = this.#at;
    this.#bytes = bytes;
    for (let position = 0; position < numPositions; position++) {
      const of = counts[position]!;
      const { from, to } = wanted.get(of)!;
      for (let depth = 1; depth <= depths[position]!; depth++) {
        const place = position * this.count + depth - 1;
        const range = { from: from[place]!, to: to[place]! };
        const context = { ids, place: ends[position]!, depth };
        this.#scanner.find(bytes.get(of)!, range, context, this.#heads[place]!);
      }
    }
  }

  /** Fills the evidence [P, E]. */
  describe(into: Float32Array, width: number): void {
    for (const [place, { listed, total, distinct, largest }] of this.#heads.entries()) {
      const at = Math.floor(place / this.count) * width + (place % this.count) * EVIDENCE;
      into[at] = listed === 0 ? -1 : Math.log1p(total) / 2;
      into[at + 1] = listed === 0 ? 0 : distinct / total;
      into[at + 2] = listed === 0 ? 0 : largest / total;
    }
  }

  chances(position: number, id: number, into: Float32Array): void {
    const { unigrams } = this.#at.counts[position]!;
    let chance = unigrams[id]!;
    for (let context = 0; context < this.count; context++) {
      const row = this.#row(position, context);
      if (row !== undefined) {
        const place = this.#scanner.ids.subarray(0, row.listed).indexOf(id);
        const count = place === -1 ? 0 : this.#scanner.counts[place]! - row.discount;
        chance = Math.max(count, 0) / row.total + row.rest * chance;
      }
      into[context] = chance;
    }
  }

  add(position: number, weights: ArrayLike<number>, probs: Float32Array): void {
    let weight = 0;
    for (let context = this.count - 1; context >= 0; context--) {
      weight += weights[context]!;
      const row = this.#row(position, context);
      if (row === undefined) continue;
      const { ids, counts } = this.#scanner;
      const share = weight / row.total;
      for (let i = 0; i < row.listed; i++)
        probs[ids[i]!]! += share * Math.max(counts[i]! - row.discount, 0);
      weight *= row.rest;
    }
    const { unigrams } = this.#at.counts[position]!;
    for (let id = 0; id < unigrams.length; id++) probs[id]! += weight * unigrams[id]!;
  }

  /** The discounted shares of a row, with its successors in the scanner; undefined if the context never occurred. */
  #row(position: number, context: number): RowChances | undefined {
    if (this.#bytes === undefined)
      throw new StoreError("counted rows were asked for before they arrived: wait for the look-up");
    const head = this.#heads[position * this.count + context]!;
    if (head.listed === 0) return undefined;
    const of = this.#at.counts[position]!;
    const discount = of.table.discounts[context + 1]!;
    return rowChances(this.#scanner, { bytes: this.#bytes.get(of)!, head, discount });
  }
}

/** Throws `RequestError` for an id outside the vocabulary. */
export function checkId(id: number, vocabSize: number): number {
  if (!(Number.isInteger(id) && id >= 0 && id < vocabSize))
    throw new RequestError(`token id ${id} is outside the vocabulary 0..${vocabSize - 1}`);
  return id;
}
