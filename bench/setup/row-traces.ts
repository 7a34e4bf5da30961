/**
 * The rows that reading a real text asks for, token by token, for benches of stores. Words and the marks between
 * them stand in for tokens, numbered by first appearance: what a cache sees is the repetition of n-grams, which a
 * tokenizer changes little and made-up ids do not have. Knows no store.
 */
import { readFileSync } from "node:fs";
import { addressBatch, buildAddressing, buildLayout } from "../../src/memory/index.ts";

export interface RowTrace {
  readonly numRows: number;
  /** Rows of one token. */
  readonly columns: number;
  readonly numTokens: number;
  /** [numTokens, columns] */
  readonly rows: Uint32Array;
}

const maxIds = 98_627;

/** `bucketRows` rows a bucket, orders 2 and 3, 8 heads: 16 rows a token. */
export function traceOfText(
  path: string,
  { bucketRows, maxTokens = Infinity }: { bucketRows: number; maxTokens?: number },
): RowTrace {
  const all = readFileSync(path, "utf8").match(/\w+|[^\w\s]|\n+/g) ?? [];
  const words = all.slice(0, Math.min(all.length, maxTokens));
  const ids = new Map<string, number>();
  const compressed = Int32Array.from(words, (word) => {
    const known = ids.get(word);
    if (known !== undefined) return known;
    // The rare ones share the last ids.
    const id = ids.size < maxIds ? ids.size : maxIds - 1 - (ids.size % 1000);
    ids.set(word, id);
    return id;
  });
  const layout = buildLayout({
    layerIds: [1],
    maxNgramSize: 3,
    numHeads: 8,
    minBucketRows: [bucketRows, bucketRows],
    padTokenId: 2,
    compressedVocabSize: maxIds,
    seed: 0,
  });
  const addressing = buildAddressing(layout, 2);
  const [rows] = addressBatch(addressing, compressed, { sequenceLength: compressed.length });
  return {
    numRows: layout.layers[0]!.numRows,
    columns: addressing.numColumns,
    numTokens: compressed.length,
    rows: rows!,
  };
}

/** The row of token `t`, column by column: a view. */
export function rowsOfToken({ rows, columns }: RowTrace, t: number): Uint32Array {
  return rows.subarray(t * columns, (t + 1) * columns);
}

/** How often tokens `from`..`to` use each row, most used first. */
export function countRows(
  { rows, columns }: RowTrace,
  { from, to }: { from: number; to: number },
): { rows: Uint32Array; counts: Uint32Array } {
  const counts = new Map<number, number>();
  for (const row of rows.subarray(from * columns, to * columns))
    counts.set(row, (counts.get(row) ?? 0) + 1);
  const sorted = [...counts].toSorted((a, b) => b[1] - a[1]);
  return {
    rows: Uint32Array.from(sorted, ([row]) => row),
    counts: Uint32Array.from(sorted, ([, count]) => count),
  };
}

/** Median, 99th percentile and mean of times in microseconds, as text. */
export function summary(micros: readonly number[]): string {
  const sorted = micros.toSorted((a, b) => a - b);
  const at = (share: number): string =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!.toFixed(1);
  const mean = micros.reduce((a, b) => a + b, 0) / micros.length;
  return `median ${at(0.5)} us, p99 ${at(0.99)} us, mean ${mean.toFixed(1)} us`;
}
