/**
 * A model of a preset's size over a real text, for benches of decoding: the text through a real tokenizer, so that
 * n-grams repeat as they do in language; weights and rows are random, since no time depends on them, and no row is
 * zero. Knows no store: a bench puts the table where it wants it.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { LanguageModel } from "../../src/inference/index.ts";
import {
  type Addressing,
  addressBatch,
  buildAddressing,
  buildLayout,
  buildTokenMap,
  compressedPad,
  compressIds,
  HashedMemory,
  type EngramConfig,
  type RowCounts,
  type RowFormat,
  rowFormat,
  type RowStore,
  type TokenMap,
} from "../../src/memory/index.ts";
import { initialParams, type ModelConfig, paramLayout, paramViews } from "../../src/model/index.ts";
import type { Backend, Values } from "../../src/tensor/index.ts";
import { parseTokenizerJson, toTokenizerJson, trainBpe } from "../../src/tokenizer/index.ts";
import { findBenchPreset } from "./bench-presets.ts";

export const sampleText: string = fileURLToPath(
  new URL("../../assets/tinyshakespeare.txt", import.meta.url),
);

/** What `textModel` is asked for, as options of a program. */
export const textOptions: {
  readonly text: string;
  readonly tokenizer: undefined;
  readonly preset: string;
} = { text: sampleText, tokenizer: undefined, preset: "small" };

export interface TextModel {
  readonly config: ModelConfig;
  readonly format: RowFormat;
  /** Of the one table. */
  readonly numRows: number;
  readonly params: Values;
  /** Text of its tokenizer.json. */
  readonly tokenizer: string;
  readonly eosTokenId: number;
  /** The text. */
  readonly ids: readonly number[];
  /** The model with its table in `store`. */
  withTable(store: RowStore): LanguageModel;
  /** The rows that reading tokens `from` to `to` asks for, [n, C]. */
  rowsOf(from: number, to: number): Uint32Array;
  /** How often those tokens use each row. */
  countRows(from: number, to: number): RowCounts;
}

export interface TextModelOptions {
  readonly backend: Backend;
  readonly preset: string;
  /** Of the whole table; a little more, since buckets have prime sizes. */
  readonly numRows: number;
  /** A text, or lines of JSON with one under "text". */
  readonly text: string;
  /** A tokenizer.json; without it, one of 2,048 tokens is trained on the text. */
  readonly tokenizer: string | undefined;
  /** Characters of the text to use. */
  readonly maxChars?: number;
}

export async function textModel(options: TextModelOptions): Promise<TextModel> {
  const { backend, numRows, maxChars = 6_000_000 } = options;
  const text = readText(options.text).slice(0, maxChars);
  const json =
    options.tokenizer === undefined
      ? toTokenizerJson(await trainBpe([text.slice(0, 1_000_000)], { vocabSize: 2048 }))
      : readFileSync(options.tokenizer, "utf8");
  const tokenizer = await parseTokenizerJson(json);
  const tokenMap = buildTokenMap(tokenizer);
  const { vocabSize } = tokenizer;
  const preset = findBenchPreset(options.preset);
  const buckets = (preset.memory.maxNgramSize - 1) * preset.memory.numHeads;
  const engram: EngramConfig = {
    ...preset.memory,
    layerIds: preset.memory.layerIds.slice(0, 1),
    minBucketRows: preset.memory.minBucketRows.map(() => Math.floor(numRows / buckets)),
    padTokenId: tokenizer.eosTokenId ?? 0,
    compressedVocabSize: tokenMap.compressedVocabSize,
    seed: 0,
  };
  const config: ModelConfig = { ...preset.model, vocabSize, engram };
  const layout = paramLayout(config);
  const params = paramViews(layout, initialParams(layout, 1));
  const engramLayout = buildLayout(engram);
  const addressing = buildAddressing(engramLayout, compressedPad(engram, tokenMap));
  const format = rowFormat("f32", engram.headDim);
  const ids = Array.from(tokenizer.encode(text));
  const rows = rowsOfText(addressing, tokenMap, ids);
  const { numColumns } = addressing;
  const rowsOf = (from: number, to: number): Uint32Array =>
    rows.subarray(from * numColumns, to * numColumns);
  return {
    config,
    format,
    numRows: engramLayout.layers[0]!.numRows,
    params,
    tokenizer: json,
    eosTokenId: tokenizer.eosTokenId ?? 0,
    ids,
    withTable: (store) => ({
      config,
      backend,
      params,
      memory: new HashedMemory({
        tokenMap,
        addressing,
        tables: [{ layerId: engram.layerIds[0]!, store, format }],
      }),
    }),
    rowsOf,
    countRows(from, to) {
      const counts = new Map<number, number>();
      for (const row of rowsOf(from, to)) counts.set(row, (counts.get(row) ?? 0) + 1);
      return {
        rows: Uint32Array.from(counts.keys()),
        counts: Uint32Array.from(counts.values()),
      };
    },
  };
}

function rowsOfText(
  addressing: Addressing,
  tokenMap: TokenMap,
  ids: readonly number[],
): Uint32Array {
  const compressed = compressIds(tokenMap, ids);
  const [rows] = addressBatch(addressing, compressed, { sequenceLength: compressed.length });
  return rows!;
}

function readText(path: string): string {
  const content = readFileSync(path, "utf8");
  if (!path.endsWith(".jsonl")) return content;
  const texts: string[] = [];
  for (const line of content.split("\n"))
    if (line.trim() !== "") texts.push((JSON.parse(line) as { text: string }).text);
  return texts.join("\n");
}

/** Values for `count` rows, in the order of their ids from `first` on: never zero, and the same every time. */
export function rowBytes(format: RowFormat, first: number, count: number): Uint8Array {
  const { headDim } = format;
  const values = new Float32Array(count * headDim);
  let state = (first * 2654435761 + 12345) >>> 0;
  for (let i = 0; i < values.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    values[i] = (state / 2 ** 32 - 0.5) * 0.1 + 1e-6;
  }
  const bytes = new Uint8Array(count * format.rowBytes);
  format.encode(values, bytes);
  return bytes;
}

/** Calls `write` with all rows of a table, some at a time. */
export async function fillTable(
  { format, numRows }: Pick<TextModel, "format" | "numRows">,
  write: (rows: Uint32Array, bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  const step = 32_768;
  for (let first = 0; first < numRows; first += step) {
    const count = Math.min(step, numRows - first);
    await write(
      Uint32Array.from({ length: count }, (_, i) => first + i),
      rowBytes(format, first, count),
    );
  }
}
