/**
 * A model directory -> a smaller one: weights packed, rows of tables in another format. The converted model can be
 * used, and measured, before anything is written. Knows files, weights and tables; `eval/certify.ts` measures.
 */
import { writeModelDir } from "./checkpoint/node/index.ts";
import { FormatError, InvalidConfigError } from "./errors.ts";
import type { LanguageModel } from "./inference/index.ts";
import { loadModel, type LoadModelOptions, openFilesAt } from "./load-model.ts";
import type { Model } from "./opened-model.ts";
import {
  type RetrievalTable,
  rowFormat,
  type RowFormat,
  type RowFormatName,
  countsOf,
  rowsOf,
  withRows,
} from "./memory/index.ts";
import {
  bitsOf,
  isQuantizable,
  numbersByRows,
  paramSpecs,
  type QuantizedMatrix,
  quantizationToJson,
  quantizeMatrix,
  type WeightDtype,
} from "./model/index.ts";
import { dtypeToHold, storedFormat } from "./model-weights.ts";
import { weightSources } from "./packed-weights.ts";
import { memoryFiles } from "./save-model.ts";
import { sizeOf, valueOf } from "./tensor/index.ts";

/** Formats of a model's weights and rows. */
export interface ModelFormats {
  readonly weights: WeightDtype;
  /** Undefined for a model without a memory. */
  readonly rows: RowFormatName | undefined;
}

/** Cache for tables that are too large to be read whole: they are converted in one pass. */
const TABLE_CACHE_BYTES = 2 ** 30;

/** Opens a model to be quantised. Its tables stay on disk if they would fill half of the memory. */
export async function openOriginal(
  directory: string,
  options: Pick<LoadModelOptions, "backend"> = {},
): Promise<Model> {
  await using files = await openFilesAt(directory);
  const tensors = await files.tensors();
  if (dtypeToHold(files, tensors, undefined) === "as-stored")
    throw new InvalidConfigError(
      `${directory} holds its weights in blocks of another format; quantise the model that they were made from`,
    );
  let bytes = 0;
  for (const { begin, end } of tensors.values()) bytes += end - begin;
  const isLarge = bytes > process.availableMemory() / 2;
  return loadModel(directory, {
    ...options,
    ...(isLarge && { tableMemory: TABLE_CACHE_BYTES, warm: false }),
  });
}

/** Counts have no format: they stay as they are. */
export function formatsOf({ quantized, memory }: LanguageModel): ModelFormats {
  const [matrix] = quantized?.values() ?? [];
  return {
    weights: matrix === undefined ? "f32" : matrix.bits === 8 ? "q8" : "q4",
    rows: rowsOf(memory)?.tables[0]?.format.name,
  };
}

/** Refuses to quantise twice: errors would add up, and the certificate would not show it. */
export function checkFormats(model: LanguageModel, to: ModelFormats): void {
  const from = formatsOf(model);
  if (from.weights !== "f32" && to.weights !== from.weights)
    throw new InvalidConfigError(
      `the weights are packed as ${from.weights} already; quantise the model that they were made from`,
    );
  if (to.rows === from.rows) return;
  if (from.rows === undefined)
    throw new InvalidConfigError(
      countsOf(model.memory) === undefined
        ? "the model has no memory, so there are no rows to convert"
        : "the model has counts and no learned rows, and counts stay as they are; leave out --rows",
    );
  if (from.rows !== "f32" && from.rows !== "bf16")
    throw new InvalidConfigError(
      `the rows rest as ${from.rows} already; convert the model that they were made from`,
    );
}

/** The model in these formats. Shares with the original what is not converted. */
export function inFormats(model: LanguageModel, to: ModelFormats): LanguageModel {
  checkFormats(model, to);
  const { memory, config } = model;
  const bits = bitsOf(to.weights);
  let { params, quantized } = model;
  if (bits !== undefined && formatsOf(model).weights === "f32") {
    const rest = { ...params };
    const packed = new Map<string, QuantizedMatrix>();
    for (const spec of paramSpecs(config).filter(isQuantizable)) {
      const numbers = numbersByRows(spec, rest[spec.name]!, model.rowBlock);
      packed.set(spec.name, quantizeMatrix(valueOf(numbers, spec.shape), bits));
      delete rest[spec.name];
    }
    [params, quantized] = [rest, packed];
  }
  const converted =
    memory &&
    withRows(memory, (rows) => rows.withTables((table) => asIfConverted(table, to.rows!)));
  return { ...model, params, quantized, memory: converted };
}

/** A table whose rows read as if stored in format `name`, without a second copy. */
function asIfConverted({ layerId, store, format }: RetrievalTable, name: RowFormatName) {
  if (name === format.name) return { layerId, store, format };
  const target = rowFormat(name, format.headDim);
  const through: RowFormat = {
    ...format,
    rowsOf: () => undefined,
    decode(bytes, into) {
      format.decode(bytes, into);
      const rows = into.length / format.headDim;
      const converted = new Uint8Array(rows * target.rowBytes);
      target.encode(into, converted);
      target.decode(converted, into);
    },
  };
  return { layerId, store, format: through };
}

/** Bytes on disk of weights and rows in these formats. Weights that are not packed stay as they are. */
export async function bytesInFormats(
  { path, config, rows, counts }: Pick<Model, "path" | "config" | "rows" | "counts">,
  to: ModelFormats,
): Promise<number> {
  await using files = await openFilesAt(path);
  const numberBytes = (await storedFormat(files, config)) === "bf16" ? 2 : 4;
  const bits = bitsOf(to.weights);
  let bytes = 0;
  for (const spec of paramSpecs(config)) {
    const size = sizeOf(spec.shape);
    // A packed block of 32 has a scale of two bytes; a packed matrix says its shape in sixteen.
    if (bits === undefined || !isQuantizable(spec)) bytes += numberBytes * size;
    else bytes += (size * bits) / 8 + size / 16 + 16;
  }
  for (const { store, format } of rows?.tables ?? [])
    bytes += store.numRows * rowFormat(to.rows!, format.headDim).rowBytes;
  if (counts !== undefined) bytes += counts.numBytes;
  return bytes;
}

export interface WriteInFormatsOptions {
  readonly out: string;
  readonly formats: ModelFormats;
  /** Kept beside the model as quantization.json. */
  readonly certificate: object;
  /** As `ModelToSave` has it. */
  readonly beside?: readonly string[];
  /** As `ModelToWrite` has it. */
  readonly weightFileBytes?: number | undefined;
}

/** Writes `model`, which was opened from the directory `model.path`, into `out`: as a whole or not at all. */
export async function writeInFormats(
  model: Model,
  { out, formats, certificate, beside = [], weightFileBytes }: WriteInFormatsOptions,
): Promise<void> {
  await using files = await openFilesAt(model.path);
  const tokenizer = await files.tokenizer();
  if (tokenizer === undefined) throw new FormatError(`${model.path}: tokenizer.json is missing`);
  const { language, chatTemplate } = model;
  const { config, params, quantized, rowBlock } = inFormats(language, formats);
  const { quantization_config: _before, ...settings } = files.config;
  await writeModelDir(out, {
    config: {
      ...settings,
      ...(formats.weights !== "f32" && {
        quantization_config: quantizationToJson(formats.weights),
      }),
    },
    ...(files.generationConfig !== undefined && { generationConfig: files.generationConfig }),
    tokenizer,
    ...(chatTemplate !== undefined && { chatTemplate }),
    corpus: await files.corpus(),
    certificate: certificate as Record<string, unknown>,
    beside,
    weightFileBytes,
    weights: weightSources(config, {
      params,
      quantized: quantized ?? new Map(),
      rowBlock,
      format: await storedFormat(files, config),
    }),
    tables: memoryFiles(
      { tables: model.rows?.tables ?? [], counts: model.counts?.table },
      formats.rows ?? "f32",
    ),
  });
}
