/**
 * A model -> a directory (layout in `checkpoint/model-files.ts`). Table rows are converted while they are
 * streamed, so a table is never in memory twice.
 */
import { countedSources, countsSources, tableParts } from "./at-rest/index.ts";
import type { JsonObject, TensorSource } from "./checkpoint/index.ts";
import { writeModelDir } from "./checkpoint/node/index.ts";
import {
  buildLayout,
  type CountedTable,
  convertedRows,
  type EngramConfig,
  engramConfigToJson,
  hashConstants,
  type RetrievalTable,
  type RowFormatName,
  rowFormat,
} from "./memory/index.ts";
import { type ModelConfig, modelConfigToJson } from "./model/index.ts";
import { storedSources } from "./stored-sources.ts";
import type { NumberFormat } from "./stored-weights.ts";
import type { Values } from "./tensor/index.ts";

/** What a model that was trained on keeps of the directory it came from. */
export interface ModelTexts {
  /** The contents of its config.json. */
  readonly config: JsonObject;
  readonly generationConfig?: JsonObject;
  readonly chatTemplate?: string;
}

/** Everything a model directory is written from. */
export interface ModelToSave {
  readonly config: ModelConfig;
  /** Text of tokenizer.json. */
  readonly tokenizer: string;
  readonly eosTokenId: number;
  /** Default: those of a model of ours. */
  readonly texts?: ModelTexts | undefined;
  readonly params: Values;
  readonly tables: readonly RetrievalTable[];
  /** Of a model that counts (`config.counted`). */
  readonly counts?: CountedTable | undefined;
  /** Row format on disk. Default f32: exactly what was trained. */
  readonly tableFormat?: RowFormatName;
  /** Counts of the n-grams of the text it was trained on (`indexCorpus`). */
  readonly corpus?: Uint8Array | undefined;
  /** Names of files in the directory that belong to the model and get checksums, such as its training log. */
  readonly beside?: readonly string[];
  /** Number format of weights on disk; bf16 rounds them to half the bytes. Default f32. */
  readonly weightFormat?: NumberFormat;
}

/**
 * Writes a model directory. An older model there is replaced as a whole or not at all. Throws `StoreError` when the
 * disk is full.
 */
export async function saveModel(directory: string, model: ModelToSave): Promise<void> {
  const { config, eosTokenId, texts, tableFormat = "f32", weightFormat = "f32" } = model;
  await writeModelDir(directory, {
    ...(texts ?? {
      generationConfig: { bos_token_id: eosTokenId, eos_token_id: eosTokenId, do_sample: true },
    }),
    config: configFile(config, model),
    tokenizer: model.tokenizer,
    weights: storedSources(config, { params: model.params, format: weightFormat }),
    tables: memoryFiles(model, tableFormat),
    corpus: model.corpus,
    ...(model.beside !== undefined && { beside: model.beside }),
  });
}

/** The contents of config.json. */
export function configFile(
  config: ModelConfig,
  {
    eosTokenId,
    texts,
    weightFormat = "f32",
  }: Pick<ModelToSave, "eosTokenId" | "texts" | "weightFormat">,
): Record<string, unknown> {
  const dtype = weightFormat === "bf16" ? "bfloat16" : "float32";
  if (texts !== undefined) return { ...texts.config, dtype };
  return {
    ...modelConfigToJson(config),
    dtype,
    bos_token_id: eosTokenId,
    eos_token_id: eosTokenId,
    ...(config.engram !== undefined && engramKeys(config.engram)),
  };
}

/** The keys of config.json that say where learned rows lie. */
export function engramKeys(engram: EngramConfig): Record<string, unknown> {
  return { ...engramConfigToJson(engram), engram_hash: hashConstants(buildLayout(engram)) };
}

/** The tensors of a memory, a list for each file: learned rows in `format`, and counts. */
export function memoryFiles(
  { tables, counts }: Pick<ModelToSave, "tables" | "counts">,
  format: RowFormatName,
): TensorSource[][] {
  const rows = tables.map((table) => tableSources(table, format));
  return counts === undefined ? rows : [...rows, ...countedSources(counts)];
}

/** The tensors of a table: its rows in `format`, and the counts of their uses if known. */
function tableSources(table: RetrievalTable, format: RowFormatName): TensorSource[] {
  const target = rowFormat(format, table.format.headDim);
  const rows = tableParts(table.layerId, target).map(({ name, dtype, columns, from, to }) => ({
    name,
    dtype,
    shape: [table.store.numRows, columns],
    chunks: () => convertedRows(table, format, { from, to }),
  }));
  return [...rows, ...countsSources(table)];
}
