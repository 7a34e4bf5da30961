/**
 * Which n-grams of a corpus are addressed to a row: of the text that the model was trained on, which says so itself, or
 * of any other. Holds every distinct n-gram of compressed ids with its count, and for each column of a table the row of
 * each n-gram. Knows addresses; no row contents.
 *
 * N-grams are numbered within their order. Memory: about 44 bytes for each distinct n-gram of each order, and 4 in each
 * column that was asked for.
 */
import { RequestError } from "../errors.ts";
import {
  addressBatch,
  compressInto,
  type CorpusFacts,
  type HashedMemory,
  indexCorpus,
  NgramIndex,
  readCorpusIndex,
} from "../memory/index.ts";
import { nextTurn } from "../next-turn.ts";
import { type Tokenizer, tokenText } from "../tokenizer/index.ts";
import {
  type BucketCollisions,
  type CollisionReport,
  expectedDistinctRows,
  expectedSharedNgrams,
} from "./ngram-collisions.ts";
import type { AreaReport, CorpusReport, NgramReport, RowReport } from "./report.ts";

interface Order {
  /** Ids of the n-grams, one after the other. */
  readonly ids: Int32Array;
  readonly counts: Float64Array;
}

interface Column {
  /** The row of each n-gram. */
  readonly rows: Uint32Array;
  readonly usedRows: number;
  /** N-grams whose row has another n-gram, too. */
  readonly sharedNgrams: number;
}

/** Limits memory. */
const maxTokens = 2 ** 22;
/** The most n-grams reported for one row. */
const maxListed = 24;
/** N-grams between two checks of the clock, and milliseconds between two pauses for other work. */
const stretch = 4096;
const turn = 5;

export interface CorpusParts {
  readonly tokenizer: Tokenizer;
  readonly memory: HashedMemory;
}

export class CorpusIndex {
  readonly report: CorpusReport;
  readonly #tokenizer: Tokenizer;
  readonly #memory: HashedMemory;
  /** Index 0 is order 2. */
  readonly #orders: readonly Order[];
  readonly #columns = new Map<string, Column>();
  readonly #building = new Map<number, Promise<void>>();

  private constructor(
    { tokenizer, memory }: CorpusParts,
    { orders, facts }: { orders: Order[]; facts: CorpusFacts },
  ) {
    this.#tokenizer = tokenizer;
    this.#memory = memory;
    this.#orders = orders;
    this.report = {
      name: facts.name,
      tokens: facts.tokens,
      least: facts.least,
      ngrams: Object.fromEntries(orders.map(({ counts }, i) => [i + 2, counts.length])),
    };
  }

  /** Reads `text` as one document. Throws `RequestError` for more tokens than an index holds. */
  static async build(parts: CorpusParts & { name: string }, text: string): Promise<CorpusIndex> {
    const { tokenizer, memory, name } = parts;
    const ids = await tokenizer.encode(text);
    if (ids.length === 0 || ids.length > maxTokens)
      throw new RequestError(
        `a corpus to look rows up in has 1..${maxTokens} tokens, got ${ids.length}; send a part of it`,
      );
    const bytes = await indexCorpus(
      { tokens: Uint32Array.from(ids), starts: Uint32Array.of(0) },
      {
        order: memory.addressing.layout.config.maxNgramSize,
        vocabSize: tokenizer.vocabSize,
        tokenMap: memory.tokenMap,
        tokenizer: new Uint8Array(32),
        name,
        mostBytes: Infinity,
      },
    );
    const index = await CorpusIndex.read(parts, bytes);
    // The file has room for a part of a long name.
    return new CorpusIndex(parts, {
      orders: [...index.#orders],
      facts: { name, tokens: ids.length, least: 1 },
    });
  }

  /**
   * Reads counts of n-grams of the tokenizer's ids, as a model has them of its text. Throws `FormatError` for bytes that
   * are damaged, or are of other ids than the memory's.
   */
  static async read(parts: CorpusParts, bytes: Uint8Array): Promise<CorpusIndex> {
    const { addressing, tokenMap } = parts.memory;
    const { maxNgramSize } = addressing.layout.config;
    const index = readCorpusIndex(bytes, { order: maxNgramSize, tokenMap });
    const { facts, ngrams } = index;
    const rest = takingTurns();
    const interners = Array.from(
      { length: maxNgramSize - 1 },
      () => new NgramIndex(addressing.compressedVocabSize),
    );
    const found = interners.map(() => ({ ids: [] as number[], counts: [] as number[] }));
    for (let n = 0; ngrams.next(); n++) {
      if (n % stretch === 0) await rest();
      const { id, ids, place, depth, count } = ngrams;
      let number = index.compressed(id);
      for (let back = 1; back <= depth; back++) {
        const { ids: listed, counts } = found[back - 1]!;
        number = interners[back - 1]!.intern(number, index.compressed(ids[place - back]!));
        if (number === counts.length) {
          for (let i = back; i > 0; i--) listed.push(ids[place - i]!);
          listed.push(id);
          counts.push(0);
        }
        counts[number]! += count;
      }
    }
    return new CorpusIndex(parts, {
      orders: found.map(({ ids, counts }) => ({
        ids: Int32Array.from(ids),
        counts: Float64Array.from(counts),
      })),
      facts,
    });
  }

  /** The n-grams that fall on each of `rows` of a layer, in the given order. */
  async lookUp(layer: number, rows: readonly number[]): Promise<RowReport[]> {
    const reports: RowReport[] = [];
    const rest = takingTurns();
    for (const row of rows) {
      await rest();
      const { order, head, rows: columnRows } = columnOf(this.#memory, { layer, row });
      const found = await this.area(layer, { from: row, to: row + 1 });
      const corpus = {
        distinct: found.distinct,
        count: found.count,
        ngrams: found.ngrams.map(({ texts, compressed, count }) => ({ texts, compressed, count })),
        used_rows: found.used_rows,
        column_rows: columnRows,
      };
      reports.push({ row, order, head, corpus });
    }
    return reports;
  }

  /** The n-grams that fall on rows `from`..`to`-1, the most frequent first. All rows are of one order and head. */
  async area(layer: number, { from, to }: { from: number; to: number }): Promise<AreaReport> {
    const place = columnOf(this.#memory, { layer, row: from });
    if (to <= from || to > place.firstRow + place.rows)
      throw new RequestError(
        `rows ${from}..${to - 1} are not of one order and head; those of row ${from} end with ${place.firstRow + place.rows - 1}`,
      );
    const { order, head } = place;
    const column = await this.#column(layer, place.index);
    const { counts } = this.#orders[order - 2]!;
    const { rows } = column;
    const ngrams: number[] = [];
    let count = 0;
    for (let at = 0; at < rows.length; at++)
      if (rows[at]! >= from && rows[at]! < to) {
        ngrams.push(at);
        count += counts[at]!;
      }
    ngrams.sort((a, b) => counts[b]! - counts[a]! || a - b);
    return {
      order,
      head,
      distinct: ngrams.length,
      count,
      ngrams: ngrams
        .slice(0, maxListed)
        .map((one) => ({ row: rows[one]!, ...this.#ngram(order, one) })),
      used_rows: column.usedRows,
      column_rows: place.rows,
    };
  }

  /** How many n-grams of the corpus share a row, by layer, order and head. */
  async collisions(): Promise<CollisionReport> {
    const { layout } = this.#memory.addressing;
    const buckets: BucketCollisions[] = [];
    for (const { layerId, primes } of layout.layers)
      for (const [index, rows] of primes.entries()) {
        const {
          usedRows,
          sharedNgrams,
          rows: { length: ngrams },
        } = await this.#column(layerId, index);
        buckets.push({
          layer: layerId,
          order: 2 + Math.floor(index / layout.config.numHeads),
          head: index % layout.config.numHeads,
          rows,
          ngrams,
          distinctRows: usedRows,
          sharedNgrams,
          expectedDistinctRows: expectedDistinctRows(ngrams, rows),
          expectedSharedNgrams: expectedSharedNgrams(ngrams, rows),
        });
      }
    return { tokens: this.report.tokens, isFull: this.report.least > 1, buckets };
  }

  #ngram(order: number, ngram: number): NgramReport {
    const { ids, counts } = this.#orders[order - 2]!;
    const own = ids.subarray(order * ngram, order * (ngram + 1));
    return {
      texts: Array.from(own, (id) => tokenText(this.#tokenizer, id)),
      compressed: Array.from(own, (id) => this.#memory.tokenMap.map[id]!),
      count: counts[ngram]!,
    };
  }

  async #column(layer: number, index: number): Promise<Column> {
    const name = `${layer} ${index}`;
    if (!this.#columns.has(name)) {
      let building = this.#building.get(layer);
      if (building === undefined) this.#building.set(layer, (building = this.#buildLayer(layer)));
      await building;
    }
    return this.#columns.get(name)!;
  }

  /** Builds all columns of a layer: the rows of every n-gram of every order, in each of its heads. */
  async #buildLayer(layer: number): Promise<void> {
    const { addressing, tokenMap } = this.#memory;
    const at = addressing.layout.layers.findIndex(({ layerId }) => layerId === layer);
    const { primes, offsets } = addressing.layout.layers[at]!;
    const { numHeads } = addressing.layout.config;
    const C = addressing.numColumns;
    const rest = takingTurns();
    for (const [o, { ids, counts }] of this.#orders.entries()) {
      const order = o + 2;
      const columns = Array.from({ length: numHeads }, () => new Uint32Array(counts.length));
      for (let from = 0; from < counts.length; from += stretch) {
        const size = Math.min(stretch, counts.length - from);
        const compressed = new Int32Array(order * size);
        compressInto(tokenMap, { ids, from: order * from, into: compressed });
        const rows = addressBatch(addressing, compressed, { sequenceLength: order })[at]!;
        for (let i = 0; i < size; i++)
          for (const [head, column] of columns.entries())
            column[from + i] = rows[(order * (i + 1) - 1) * C + o * numHeads + head]!;
        await rest();
      }
      for (const [head, rows] of columns.entries()) {
        const index = o * numHeads + head;
        const counted = { first: offsets[index]!, rows: primes[index]! };
        this.#columns.set(`${layer} ${index}`, { rows, ...sharesOf(rows, counted) });
        await rest();
      }
    }
  }
}

/** How many of the rows from `first` on are used, and how many n-grams share theirs. */
function sharesOf(
  rows: Uint32Array,
  column: { first: number; rows: number },
): Pick<Column, "usedRows" | "sharedNgrams"> {
  const users = new Uint8Array(column.rows);
  let usedRows = 0;
  for (const row of rows) {
    const place = row - column.first;
    if (users[place] === 0) usedRows++;
    users[place] = Math.min(2, users[place]! + 1);
  }
  let sharedNgrams = 0;
  for (const row of rows) if (users[row - column.first] === 2) sharedNgrams++;
  return { usedRows, sharedNgrams };
}

/** The order and head that a row belongs to. Throws `RequestError` if the layer has no such row. */
export function columnOf(
  { addressing: { layout } }: HashedMemory,
  { layer, row }: { layer: number; row: number },
): { index: number; order: number; head: number; rows: number; firstRow: number } {
  const found = layout.layers.find(({ layerId }) => layerId === layer);
  if (found === undefined || row >= found.numRows)
    throw new RequestError(
      `there is no row ${row} in layer ${layer}; rows are ` +
        layout.layers.map((each) => `0..${each.numRows - 1} in layer ${each.layerId}`).join(", "),
    );
  const index = found.offsets.findLastIndex((offset) => offset <= row);
  const { numHeads } = layout.config;
  return {
    index,
    order: 2 + Math.floor(index / numHeads),
    head: index % numHeads,
    rows: found.primes[index]!,
    firstRow: found.offsets[index]!,
  };
}

/** Returns a function to call often while an index is built. It pauses now and then, so that requests are answered. */
function takingTurns(): () => Promise<void> {
  let began = performance.now();
  return async () => {
    if (performance.now() - began < turn) return;
    await nextTurn();
    began = performance.now();
  };
}
