/**
 * A model -> a directory (layout in `checkpoint/node/model-dir.ts`). Table rows are converted to the
 * format they shall rest in while they are streamed, so a table is never held twice.
 */
import { tensorSource, type TensorSource, writeModelDir } from "./checkpoint/node/index.ts";
import {
  buildLayout,
  convertedRows,
  engramConfigToJson,
  hashConstants,
  type RetrievalTable,
  rowFormat,
  type TensorRowFormatName,
} from "./memory/index.ts";
import { layerName, type ModelConfig, modelConfigToJson, paramSpecs } from "./model/index.ts";
import { encodeBf16Array } from "./numerics/index.ts";
import { countsSources } from "./table-counts.ts";
import type { Values } from "./tensor/index.ts";

/** Everything a model directory is written from. */
export interface ModelToSave {
  readonly config: ModelConfig;
  /** Text of tokenizer.json. */
  readonly tokenizer: string;
  readonly eosTokenId: number;
  readonly params: Values;
  readonly tables: readonly RetrievalTable[];
  /** How table rows rest on disk. Default f32: exactly what was trained. */
  readonly tableFormat?: TensorRowFormatName;
  /** How weights rest on disk; bf16 rounds them to half the bytes. Default f32. */
  readonly weightFormat?: "f32" | "bf16";
}

/** Tensor of a layer's table, [rows, d]. */
export function tableName(layerId: number): string {
  return layerName(layerId, "engram.embed.weight");
}

/** Tensor of the E8M0 scales of an fp8 table, [rows, ceil(d/32)]. */
export function tableScaleName(layerId: number): string {
  return layerName(layerId, "engram.embed.scale");
}

/**
 * Writes a model directory; a model that stood there is replaced as a whole or not at all. Throws
 * `StoreError` when the disk is full.
 */
export async function saveModel(directory: string, model: ModelToSave): Promise<void> {
  const { config, eosTokenId, tableFormat = "f32", weightFormat = "f32" } = model;
  const { engram } = config;
  await writeModelDir(directory, {
    config: {
      architectures: ["EngramForCausalLM"],
      model_type: "engram",
      dtype: weightFormat === "bf16" ? "bfloat16" : "float32",
      bos_token_id: eosTokenId,
      eos_token_id: eosTokenId,
      ...modelConfigToJson(config),
      ...(engram === undefined
        ? {}
        : { ...engramConfigToJson(engram), engram_hash: hashConstants(buildLayout(engram)) }),
    },
    generationConfig: { bos_token_id: eosTokenId, eos_token_id: eosTokenId, do_sample: true },
    tokenizer: model.tokenizer,
    weights: paramSpecs(config).map(({ name, shape }) =>
      weightSource(
        { name, shape },
        { values: model.params[name]!.data as Float32Array, format: weightFormat },
      ),
    ),
    tables: model.tables.map((table) => [
      ...tableSources(table, tableFormat),
      ...countsSources(table),
    ]),
  });
}

function weightSource(
  { name, shape }: { name: string; shape: readonly number[] },
  { values, format }: { values: Float32Array; format: "f32" | "bf16" },
): TensorSource {
  if (format === "f32") return tensorSource({ name, dtype: "F32", shape }, values);
  const codes = new Uint16Array(values.length);
  encodeBf16Array(values, codes);
  return tensorSource({ name, dtype: "BF16", shape }, codes);
}

function tableSources(table: RetrievalTable, format: TensorRowFormatName): TensorSource[] {
  const { numRows } = table.store;
  const { headDim } = table.format;
  const target = rowFormat(format, headDim);
  const shape = [numRows, headDim];
  const name = tableName(table.layerId);
  const rows = (from: number, to: number): AsyncIterable<Uint8Array> =>
    convertedRows(table, target.name, { from, to });
  if (format === "f32") return [{ name, dtype: "F32", shape, chunks: () => rows(0, 4 * headDim) }];
  if (format === "bf16")
    return [{ name, dtype: "BF16", shape, chunks: () => rows(0, 2 * headDim) }];
  // An fp8 row is its codes, then its scales; the released layout keeps them in two tensors.
  return [
    { name, dtype: "F8_E4M3", shape, chunks: () => rows(0, headDim) },
    {
      name: tableScaleName(table.layerId),
      dtype: "F8_E8M0",
      shape: [numRows, target.rowBytes - headDim],
      chunks: () => rows(headDim, target.rowBytes),
    },
  ];
}
