/**
 * Which n-grams of a corpus are addressed to a row. Holds every distinct n-gram of compressed ids with its exact count,
 * and for each column of a table the row of each n-gram. Knows addresses; no row contents.
 *
 * N-grams are numbered within their order by first occurrence. An n-gram is identified by the number of its last n-1
 * ids and by its first id. So a 53-bit key is enough for every order. Memory: 4 bytes a token, about 44 for each
 * distinct n-gram of each order, and 4 for each distinct n-gram in each column that was asked for.
 */
import { RequestError } from "../errors.ts";
import { addressBatch, compressInto, type HashedMemory, NgramIndex } from "../memory/index.ts";
import { type Tokenizer, tokenText } from "../tokenizer/index.ts";
import type { CorpusReport, RowReport } from "./report.ts";

interface Order {
  /** For each n-gram, the position of the last token of its first occurrence, ascending. */
  readonly first: Uint32Array;
  readonly counts: Uint32Array;
}

interface Column {
  /** The row of each n-gram. */
  readonly rows: Uint32Array;
  readonly usedRows: number;
}

/** Limits memory. */
const maxTokens = 2 ** 22;
/** The most n-grams reported for one row. */
const maxListed = 24;
/** Positions between two checks of the clock, and milliseconds between two pauses for other work. */
const stretch = 4096;
const turn = 5;

export class CorpusIndex {
  readonly report: CorpusReport;
  readonly #tokenizer: Tokenizer;
  readonly #memory: HashedMemory;
  readonly #ids: Int32Array;
  readonly #compressed: Int32Array;
  /** Index 0 is order 2. */
  readonly #orders: readonly Order[];
  readonly #columns = new Map<string, Column>();

  private constructor(
    parts: { tokenizer: Tokenizer; memory: HashedMemory; name: string },
    { ids, compressed, orders }: { ids: Int32Array; compressed: Int32Array; orders: Order[] },
  ) {
    this.#tokenizer = parts.tokenizer;
    this.#memory = parts.memory;
    this.#ids = ids;
    this.#compressed = compressed;
    this.#orders = orders;
    this.report = {
      name: parts.name,
      tokens: ids.length,
      ngrams: Object.fromEntries(orders.map(({ first }, i) => [i + 2, first.length])),
    };
  }

  /** Reads `text` as one document. Throws `RequestError` for more tokens than an index holds. */
  static async build(
    parts: { tokenizer: Tokenizer; memory: HashedMemory; name: string },
    text: string,
  ): Promise<CorpusIndex> {
    const { tokenizer, memory } = parts;
    const ids = await tokenizer.encode(text);
    if (ids.length === 0 || ids.length > maxTokens)
      throw new RequestError(
        `a corpus to look rows up in has 1..${maxTokens} tokens, got ${ids.length}; send a part of it`,
      );
    const rest = takingTurns();
    const compressed = new Int32Array(ids.length);
    for (let from = 0; from < ids.length; from += stretch) {
      const into = compressed.subarray(from, from + stretch);
      compressInto(memory.tokenMap, { ids, from, into });
      await rest();
    }
    const { maxNgramSize } = memory.addressing.layout.config;
    const orders: Order[] = [];
    // The number of the (n-1)-gram that ends at each position. For one id, the id itself.
    let shorter: Int32Array = compressed;
    for (let order = 2; order <= maxNgramSize; order++) {
      const interner = new NgramIndex(memory.addressing.compressedVocabSize);
      const longer = new Int32Array(ids.length);
      const first: number[] = [];
      const counts: number[] = [];
      // N-grams that begin before the text contain the pad, which is no id of the corpus.
      for (let t = order - 1; t < ids.length; t++) {
        const ngram = interner.intern(shorter[t]!, compressed[t - order + 1]!);
        longer[t] = ngram;
        if (ngram === first.length) first.push(t);
        counts[ngram] = (counts[ngram] ?? 0) + 1;
        if (t % stretch === 0) await rest();
      }
      orders.push({ first: new Uint32Array(first), counts: new Uint32Array(counts) });
      shorter = longer;
    }
    return new CorpusIndex(parts, { ids, compressed, orders });
  }

  /** The n-grams that fall on each of `rows` of a layer, in the given order. */
  async lookUp(layer: number, rows: readonly number[]): Promise<RowReport[]> {
    const reports: RowReport[] = [];
    const rest = takingTurns();
    for (const row of rows) {
      await rest();
      const place = columnOf(this.#memory, { layer, row });
      const column = await this.#column(layer, place.index);
      const { order, head } = place;
      const { counts } = this.#orders[order - 2]!;
      const ngrams: number[] = [];
      for (let at = -1; (at = column.rows.indexOf(row, at + 1)) !== -1;) ngrams.push(at);
      ngrams.sort((a, b) => counts[b]! - counts[a]! || a - b);
      reports.push({
        row,
        order,
        head,
        corpus: {
          distinct: ngrams.length,
          count: ngrams.reduce((sum, ngram) => sum + counts[ngram]!, 0),
          ngrams: ngrams.slice(0, maxListed).map((ngram) => this.#ngram(order, ngram)),
          used_rows: column.usedRows,
          column_rows: place.rows,
        },
      });
    }
    return reports;
  }

  #ngram(order: number, ngram: number) {
    const { first, counts } = this.#orders[order - 2]!;
    const end = first[ngram]! + 1;
    return {
      texts: Array.from(this.#ids.subarray(end - order, end), (id) =>
        tokenText(this.#tokenizer, id),
      ),
      compressed: [...this.#compressed.subarray(end - order, end)],
      count: counts[ngram]!,
    };
  }

  async #column(layer: number, index: number): Promise<Column> {
    const name = `${layer} ${index}`;
    if (!this.#columns.has(name)) await this.#buildLayer(layer);
    return this.#columns.get(name)!;
  }

  /** Builds all columns of a layer: one pass over the corpus gives the rows of every order and head. */
  async #buildLayer(layer: number): Promise<void> {
    const { addressing } = this.#memory;
    const at = addressing.layout.layers.findIndex(({ layerId }) => layerId === layer);
    const { numHeads } = addressing.layout.config;
    const C = addressing.numColumns;
    const columns = Array.from(
      { length: C },
      (_, column) => new Uint32Array(this.#orders[Math.floor(column / numHeads)]!.first.length),
    );
    const rest = takingTurns();
    const done = new Uint32Array(this.#orders.length);
    const lookBack = this.#orders.length;
    for (let from = 0; from < this.#ids.length; from += stretch) {
      const begin = Math.max(0, from - lookBack);
      const part = this.#compressed.subarray(begin, from + stretch);
      const rows = addressBatch(addressing, part, { sequenceLength: part.length })[at]!;
      for (const [o, { first }] of this.#orders.entries()) {
        let ngram = done[o]!;
        for (; ngram < first.length && first[ngram]! < from + stretch; ngram++)
          for (let column = o * numHeads; column < (o + 1) * numHeads; column++)
            columns[column]![ngram] = rows[(first[ngram]! - begin) * C + column]!;
        done[o] = ngram;
      }
      await rest();
    }
    const { primes, offsets } = addressing.layout.layers[at]!;
    for (const [column, rows] of columns.entries()) {
      const isUsed = new Uint8Array(primes[column]!);
      let usedRows = 0;
      for (const row of rows) {
        const place = row - offsets[column]!;
        usedRows += 1 - isUsed[place]!;
        isUsed[place] = 1;
      }
      this.#columns.set(`${layer} ${column}`, { rows, usedRows });
      await rest();
    }
  }
}

/** The order and head that a row belongs to. Throws `RequestError` if the layer has no such row. */
export function columnOf(
  { addressing: { layout } }: HashedMemory,
  { layer, row }: { layer: number; row: number },
): { index: number; order: number; head: number; rows: number } {
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
  };
}

/** Returns a function to call often while an index is built. It pauses now and then, so that requests are answered. */
function takingTurns(): () => Promise<void> {
  let began = performance.now();
  return async () => {
    if (performance.now() - began < turn) return;
    await new Promise((resolve) => setTimeout(resolve));
    began = performance.now();
  };
}
