/**
 * How contested a table is: of the n-grams that came by, how many there are, on how many rows they fall, and how
 * many share theirs - by layer, order and head, beside what balls thrown at random into as many bins would do.
 * Exact for the first `maxNgrams` different n-grams of each order; later new ones are not counted, and the report
 * says so. Knows ids and addresses; no table's contents, no text.
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
  /** N-grams that have their row not for themselves. */
  readonly sharedNgrams: number;
  /** What a perfect hash function would give: rows m (1 - (1 - 1/m)^n), shared n (1 - (1 - 1/m)^(n - 1)). */
  readonly expectedDistinctRows: number;
  readonly expectedSharedNgrams: number;
}

export interface CollisionReport {
  /** Positions that were added, new n-grams or not. */
  readonly tokens: number;
  /** Some order has reached `maxNgrams`: its new n-grams are no longer counted. */
  readonly isFull: boolean;
  readonly buckets: readonly BucketCollisions[];
}

export interface NgramCollisionsOptions {
  /** Different n-grams kept for each order. Default 2^17; each takes some 30 bytes and a few bits a head. */
  readonly maxNgrams?: number;
}

/** N-grams of a row: none, one, more. Two bits, packed by four. */
const MANY = 2;

export class NgramCollisions {
  readonly #addressing: Addressing;
  readonly #maxNgrams: number;
  /** For each length 1..N. */
  readonly #ngrams: readonly NgramIndex[];
  /** For each layer, how many n-grams each row has. */
  readonly #takers: readonly Uint8Array[];
  /** [layer][column] */
  readonly #distinctRows: readonly Uint32Array[];
  readonly #sharedNgrams: readonly Uint32Array[];
  /** The ids that the next piece of a text looks back at. */
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
    // Less than a hundredth of the table: its rows have at least 32 bytes or so.
    this.#takers = layout.layers.map(({ numRows }) => new Uint8Array(Math.ceil(numRows / 4)));
    this.#distinctRows = layout.layers.map(() => new Uint32Array(numColumns));
    this.#sharedNgrams = layout.layers.map(() => new Uint32Array(numColumns));
  }

  /**
   * Counts the n-grams that end at each id of `piece`: a text from its beginning or, if it `isContinued`, the next
   * piece of the one before.
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
        // As the hash sees it: beyond the text's start, and from an id without text on, there are pads.
        isBlocked ||= back > t || compressed[t - back]! < 0;
        const id = isBlocked ? pad : compressed[t - back]!;
        const ngrams = this.#ngrams[back]!;
        const { size } = ngrams;
        // Single ids are no n-grams; there are no more of them than the vocabulary has.
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

  /** One more n-gram falls on `row`. */
  #take(layer: number, column: number, row: number): void {
    const takers = this.#takers[layer]!;
    const shift = 2 * (row & 3);
    const at = row >>> 2;
    const before = (takers[at]! >>> shift) & 3;
    if (before < MANY) takers[at]! += 1 << shift;
    if (before === 0) this.#distinctRows[layer]![column]!++;
    // The first one to come after shares with the one before.
    else this.#sharedNgrams[layer]![column]! += before === 1 ? 2 : 1;
  }
}

/** Rows that are hit at least once when `ngrams` n-grams fall on `rows` rows at random. */
export function expectedDistinctRows(ngrams: number, rows: number): number {
  return -rows * Math.expm1(ngrams * Math.log1p(-1 / rows));
}

/** N-grams that meet another one on their row. */
export function expectedSharedNgrams(ngrams: number, rows: number): number {
  return ngrams === 0 ? 0 : -ngrams * Math.expm1((ngrams - 1) * Math.log1p(-1 / rows));
}

/** How many different n-grams have most likely fallen on `rows` rows, if `hit` of them have been hit. */
export function ngramsBehind(hit: number, rows: number): number {
  return hit >= rows ? Infinity : Math.log1p(-hit / rows) / Math.log1p(-1 / rows);
}
