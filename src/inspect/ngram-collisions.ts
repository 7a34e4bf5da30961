/**
 * How many n-grams share rows. For each layer, order and head it counts how many different n-grams were seen, on how
 * many rows they fall, and how many share their row; and what a perfect hash function would give. Exact for the first
 * `maxNgrams` different n-grams of each order. Later ones are not counted, and the report says so. Knows ids and
 * addresses; no contents of tables, no text.
 */
import { type Addressing, addressBatch, NgramIndex } from "../memory/index.ts";

/** One bucket: the rows of one layer, order and head. */
export interface BucketCollisions {
  readonly layer: number;
  readonly order: number;
  readonly head: number;
  readonly rows: number;
  /** Different n-grams of this order. */
  readonly ngrams: number;
  /** Different rows that they fall on. */
  readonly distinctRows: number;
  /** N-grams whose row is also used by another n-gram. */
  readonly sharedNgrams: number;
  /** What a perfect hash function gives: rows m (1 - (1 - 1/m)^n), shared n (1 - (1 - 1/m)^(n - 1)). */
  readonly expectedDistinctRows: number;
  readonly expectedSharedNgrams: number;
}

export interface CollisionReport {
  /** Positions that were added, whether their n-grams were new or not. */
  readonly tokens: number;
  /** Whether some order has reached `maxNgrams`, so that its new n-grams are no longer counted. */
  readonly isFull: boolean;
  readonly buckets: readonly BucketCollisions[];
}

export interface NgramCollisionsOptions {
  /** Different n-grams kept for each order. Default 2^17. Each takes about 30 bytes and a few bits for each head. */
  readonly maxNgrams?: number;
}

/** Number of n-grams of a row: none, one, or more. Two bits each, packed by four. */
const MANY = 2;

export class NgramCollisions {
  readonly #addressing: Addressing;
  readonly #maxNgrams: number;
  /** For each length 1..N. */
  readonly #ngrams: readonly NgramIndex[];
  /** For each layer, the number of n-grams of each row. */
  readonly #takers: readonly Uint8Array[];
  /** [layer][column] */
  readonly #distinctRows: readonly Uint32Array[];
  readonly #sharedNgrams: readonly Uint32Array[];
  /** The last ids of a text, which the next piece looks back at. */
  #tail = new Int32Array(0);
  #tokens = 0;
  #isFull = false;

  constructor(addressing: Addressing, { maxNgrams = 2 ** 17 }: NgramCollisionsOptions = {}) {
    const { layout, numColumns } = addressing;
    this.#addressing = addressing;
    this.#maxNgrams = maxNgrams;
    this.#ngrams = Array.from(
      { length: layout.config.maxNgramSize },
      () => new NgramIndex(addressing.compressedVocabSize),
    );
    // Less than a hundredth of the table's size: rows usually have at least 32 bytes.
    this.#takers = layout.layers.map(({ numRows }) => new Uint8Array(Math.ceil(numRows / 4)));
    this.#distinctRows = layout.layers.map(() => new Uint32Array(numColumns));
    this.#sharedNgrams = layout.layers.map(() => new Uint32Array(numColumns));
  }

  /**
   * Counts the n-grams that end at each id of `piece`. A piece begins a text; or, if it `isContinued`, it follows the
   * previous piece.
   */
  add(piece: Int32Array, { isContinued = false }: { isContinued?: boolean } = {}): void {
    if (piece.length === 0) return;
    const before = isContinued ? this.#tail : new Int32Array(0);
    const compressed = new Int32Array(before.length + piece.length);
    compressed.set(before);
    compressed.set(piece, before.length);
    const { layout, pad, numColumns } = this.#addressing;
    const { maxNgramSize, numHeads } = layout.config;
    const rows = addressBatch(this.#addressing, compressed, { sequenceLength: compressed.length });
    this.#tokens += piece.length;
    this.#tail = compressed.slice(Math.max(0, compressed.length - (maxNgramSize - 1)));
    for (let t = before.length; t < compressed.length; t++) {
      let isBlocked = false;
      let shorter = 0;
      for (let back = 0; back < maxNgramSize; back++) {
        // As in the hash: before the start of the text, and from an id without text on, there are pads.
        isBlocked ||= back > t || compressed[t - back]! < 0;
        const id = isBlocked ? pad : compressed[t - back]!;
        const ngrams = this.#ngrams[back]!;
        const { size } = ngrams;
        // Single ids are no n-grams; there are no more of them than ids in the vocabulary.
        if (back > 0 && size >= this.#maxNgrams && ngrams.find(shorter, id) === undefined) {
          this.#isFull = true;
          break;
        }
        shorter = ngrams.intern(shorter, id);
        if (back === 0 || shorter < size) continue;
        const first = (back - 1) * numHeads;
        for (const [layer, addressed] of rows.entries())
          for (let column = first; column < first + numHeads; column++)
            this.#take(layer, column, addressed[t * numColumns + column]!);
      }
    }
  }

  report(): CollisionReport {
    const { layout } = this.#addressing;
    const { numHeads } = layout.config;
    const buckets = layout.layers.flatMap(({ layerId, primes }, layer) =>
      primes.map((rows, column) => {
        const order = 2 + Math.floor(column / numHeads);
        const ngrams = this.#ngrams[order - 1]!.size;
        return {
          layer: layerId,
          order,
          head: column % numHeads,
          rows,
          ngrams,
          distinctRows: this.#distinctRows[layer]![column]!,
          sharedNgrams: this.#sharedNgrams[layer]![column]!,
          expectedDistinctRows: expectedDistinctRows(ngrams, rows),
          expectedSharedNgrams: expectedSharedNgrams(ngrams, rows),
        };
      }),
    );
    return { tokens: this.#tokens, isFull: this.#isFull, buckets };
  }

  /** Counts one more n-gram on `row`. */
  #take(layer: number, column: number, row: number): void {
    const takers = this.#takers[layer]!;
    const shift = 2 * (row & 3);
    const at = row >>> 2;
    const before = (takers[at]! >>> shift) & 3;
    if (before < MANY) takers[at]! += 1 << shift;
    if (before === 0) this.#distinctRows[layer]![column]!++;
    // With the second n-gram of a row, the first one is shared, too.
    else this.#sharedNgrams[layer]![column]! += before === 1 ? 2 : 1;
  }
}

/** Expected number of rows that are hit if `ngrams` n-grams fall on `rows` rows at random. */
export function expectedDistinctRows(ngrams: number, rows: number): number {
  return -rows * Math.expm1(ngrams * Math.log1p(-1 / rows));
}

/** Expected number of n-grams that share their row with another one. */
export function expectedSharedNgrams(ngrams: number, rows: number): number {
  return ngrams === 0 ? 0 : -ngrams * Math.expm1((ngrams - 1) * Math.log1p(-1 / rows));
}

/** The most likely number of different n-grams that fell on `rows` rows, if `hit` rows were hit. */
export function ngramsBehind(hit: number, rows: number): number {
  return hit >= rows ? Infinity : Math.log1p(-hit / rows) / Math.log1p(-1 / rows);
}
