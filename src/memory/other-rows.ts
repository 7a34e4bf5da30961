/**
 * A memory whose addresses stay and whose rows are others: the controls that tell what a memory remembers from what a
 * pathway of its shape would do. Nothing is held twice and nothing is written. Knows rows and addresses; no graphs.
 */
import { InvalidConfigError } from "../errors.ts";
import { Random } from "../numerics/index.ts";
import { checkRowValues } from "./finite-rows.ts";
import type { HashedMemory } from "./hashed-memory.ts";
import { type LayerLayout, layerOf } from "./layout.ts";
import type { TokenSpan } from "./memory.ts";
import type { RetrievalTable } from "./retrieval.ts";
import { rowFormat } from "./row-format.ts";
import { checkRead, type RowStore } from "./store.ts";

/**
 * Each row is another one of its layer, order and head. Buckets have a prime number p of rows, so r -> a r + b mod p
 * is a permutation of them, and none is written down, however large the table.
 */
export function shuffledRows(
  memory: HashedMemory,
  { seed = 0 }: { seed?: number } = {},
): HashedMemory {
  return memory.withTables((table) => {
    const layer = layerOf(memory.addressing.layout, table.layerId);
    const random = Random.fromSeed(seed, `shuffled rows ${table.layerId}`);
    const maps = layer.primes.map((prime) => ({
      // Products with 31-bit rows stay exact.
      factor: 1 + random.int(Math.min(prime - 1, 2 ** 21)),
      shift: 1 + random.int(prime - 1),
    }));
    const otherRow = (row: number): number => {
      const column = columnOf(layer, row);
      const { factor, shift } = maps[column]!;
      const first = layer.offsets[column]!;
      return first + (((row - first) * factor + shift) % layer.primes[column]!);
    };
    const { store } = table;
    return {
      ...table,
      store: viewOf(store, {
        rowBytes: store.rowBytes,
        read: (rows, into) => store.read(rows.map(otherRow), into),
      }),
    };
  });
}

/** Each row has its own length and a random direction that is always the same. */
export function noiseRows(
  memory: HashedMemory,
  { seed = 0 }: { seed?: number } = {},
): HashedMemory {
  return memory.withTables((table) => {
    const { layerId } = table;
    return withValues(table, (row, values) => {
      const length = Math.hypot(...values);
      if (length === 0) return;
      const random = Random.fromState([mix(row), mix(row ^ 0x55555555), mix(layerId), mix(~seed)]);
      // Words that differ in a bit or two are far apart after some draws.
      for (let i = 0; i < 8; i++) random.nextU32();
      random.fillNormal(values, 1);
      const factor = length / Math.hypot(...values);
      for (let i = 0; i < values.length; i++) values[i] = values[i]! * factor;
    });
  });
}

/** Positions whose vectors are added up at a time. */
const CHUNK = 4096;

/** Each row is the mean of those that the given texts read in its layer, order and head. */
export async function meanRows(
  memory: HashedMemory,
  texts: Iterable<TokenSpan>,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<HashedMemory> {
  const reader = memory.reader();
  const sums = new Map(
    memory.inputs.map(({ layerId, width }) => [layerId, new Float64Array(width)]),
  );
  let count = 0;
  for (const { from, to, ...text } of texts)
    for (let at = from; at < to; at += CHUNK) {
      signal?.throwIfAborted();
      const addresses = reader.address([{ ...text, from: at, to: Math.min(to, at + CHUNK) }]);
      const { numPositions } = addresses;
      const vectors = new Map(
        memory.inputs.map((input) => [input.layerId, new Float32Array(numPositions * input.width)]),
      );
      await reader.lookUp(addresses, vectors).all();
      for (const [layerId, sum] of sums) addUp(vectors.get(layerId)!, sum);
      count += numPositions;
    }
  if (count === 0)
    throw new InvalidConfigError("a mean is taken over rows that a text reads; it is empty");
  return memory.withTables((table) => {
    const layer = layerOf(memory.addressing.layout, table.layerId);
    const { headDim } = table.format;
    const means = Float32Array.from(sums.get(table.layerId)!, (sum) => sum / count);
    return withValues(table, (row, values) => {
      const at = columnOf(layer, row) * headDim;
      values.set(means.subarray(at, at + headDim));
    });
  });
}

/** The same table with each row changed as it is read. `change` gets the row's values to overwrite. */
function withValues(
  { store, ...table }: RetrievalTable,
  change: (row: number, values: Float32Array) => void,
): RetrievalTable {
  const { headDim } = table.format;
  const format = rowFormat("f32", headDim);
  const read: RowStore["read"] = async (rows, into) => {
    const bytes = new Uint8Array(rows.length * store.rowBytes);
    const values = new Float32Array(rows.length * headDim);
    await store.read(rows, bytes);
    table.format.decode(bytes, values);
    checkRowValues(table, rows, values);
    for (const [i, row] of rows.entries())
      change(row, values.subarray(i * headDim, (i + 1) * headDim));
    format.encode(values, into);
  };
  return { ...table, format, store: viewOf(store, { rowBytes: format.rowBytes, read }) };
}

/** Rows of `store` seen otherwise. Closing it leaves the store open: that one has an owner. */
function viewOf(
  store: RowStore,
  { rowBytes, read }: Pick<RowStore, "rowBytes" | "read">,
): RowStore {
  const { numRows } = store;
  return {
    numRows,
    rowBytes,
    async read(rows, into) {
      checkRead({ numRows, rowBytes }, rows, into);
      await read(rows, into);
    },
    async close() {},
  };
}

function columnOf({ offsets }: LayerLayout, row: number): number {
  return offsets.findLastIndex((offset) => offset <= row);
}

/** Adds vectors [P, E] to `sum` [E]. */
function addUp(vectors: Float32Array, sum: Float64Array): void {
  const width = sum.length;
  for (let i = 0; i < vectors.length; i++) sum[i % width] = sum[i % width]! + vectors[i]!;
}

/** 32 bits in which every bit of `x` counts (the finalizer of MurmurHash3, by Appleby); never 0. */
function mix(x: number): number {
  let h = (x + 0x9e3779b9) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0 || 1;
}
