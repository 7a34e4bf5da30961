/**
 * The model that a training or a graft goes on from: settings and headers are read and checked when it is opened, weights and rows
 * when they are asked for. Knows files; not what is trained, and how.
 */
import { checkpointTables } from "./at-rest/node/index.ts";
import { checkAddresses, type CheckedModel, checkModel } from "./check-model.ts";
import { type ModelFiles, modelNames } from "./checkpoint/index.ts";
import { closeAll } from "./disposal-stack.ts";
import { FormatError, InvalidConfigError } from "./errors.ts";
import type { EngramConfig, RetrievalTable, TokenMap } from "./memory/index.ts";
import type { ModelConfig, TrainedPart } from "./model/index.ts";
import { readWeights } from "./model-weights.ts";
import { openFilesAt } from "./load-model.ts";
import type { ModelTexts } from "./save-model.ts";
import type { Values } from "./tensor/index.ts";
import { checkTokenizer, tokenizerSettings } from "./text-settings.ts";
import { openTokenizer, type Tokenizer } from "./tokenizer/index.ts";
import { startTokenizerWorker } from "./tokenizer/node/index.ts";
import { type DataFile, type MemorySizes, type Preset, recipeToGoOn } from "./training/index.ts";
import { describeFile } from "./training/node/index.ts";

export class OriginModel {
  readonly files: ModelFiles;
  readonly checked: CheckedModel;
  /** Text of its tokenizer.json. */
  readonly tokenizer: string;
  /** Its texts, for a model that has its sizes. */
  readonly texts: ModelTexts;
  #tables: RetrievalTable[] = [];

  private constructor(parts: Pick<OriginModel, "files" | "checked" | "tokenizer" | "texts">) {
    this.files = parts.files;
    this.checked = parts.checked;
    this.tokenizer = parts.tokenizer;
    this.texts = parts.texts;
  }

  /** Throws as `openModel` does. */
  static async open(directory: string): Promise<OriginModel> {
    const files = await openFilesAt(directory);
    try {
      const { single } = files.source;
      const elsewhere = single === undefined ? await checkpointTables(directory) : undefined;
      const checked = await checkModel(files, { elsewhere });
      const tokenizer = await files.tokenizer();
      if (tokenizer === undefined)
        throw new FormatError(`${directory}: tokenizer.json is missing; the model is not complete`);
      return new OriginModel({ files, checked, tokenizer, texts: await textsOf(files) });
    } catch (error) {
      await files.close();
      throw error;
    }
  }

  /** Its sizes as a preset, with a recipe to go on with. Throws `InvalidConfigError` where it has nothing of `part`. */
  preset(part: TrainedPart): Preset {
    const { vocabSize, documentStart: _, engram, counted, ...model } = this.checked.config;
    if (part === "memory" && engram === undefined && counted === undefined)
      throw new InvalidConfigError(
        `${this.files.path} has no memory that could be trained alone; give it one with engram graft, or train all of it`,
      );
    const training = recipeToGoOn(part, { maxPositions: model.maxPositions });
    return {
      description: this.files.path,
      vocabSize,
      model,
      memory: sizesOf(engram),
      counted: { order: counted?.order ?? 0, folds: 5, maxBytes: 0 },
      // Without rows there is nothing that would be read in folds of its own.
      training: { ...training, rowFolds: engram === undefined ? 0 : training.rowFolds },
    };
  }

  /** Its tokenizer, open. */
  openTokenizer(): Promise<Tokenizer> {
    const settings = tokenizerSettings(this.files, this.checked.config);
    return openTokenizer(this.tokenizer, { startWorker: startTokenizerWorker, ...settings });
  }

  /** Its sizes. Throws `InvalidConfigError` where the tokenizer is not its own. */
  configFor(tokenizer: Tokenizer, tokenMap: TokenMap): ModelConfig {
    const { config, layout } = this.checked;
    checkTokenizer(this.files, config, tokenizer);
    if (layout !== undefined) checkAddresses(this.files, { config, layout, tokenMap });
    return config;
  }

  /** All weights as numbers; of packed ones, those that they stand for. */
  async weights(): Promise<Values> {
    return (await readWeights(this.files, this.checked, { dtype: "f32" })).params;
  }

  /** Its learned rows, open until `close`; undefined if it has none. */
  async tables(): Promise<readonly RetrievalTable[] | undefined> {
    for (const table of this.checked.tables)
      this.#tables.push({ ...table, store: await table.open() });
    return this.#tables.length === 0 ? undefined : this.#tables;
  }

  /** Every file that says what it computes, with its SHA-256. */
  async describe(signal?: AbortSignal): Promise<DataFile[]> {
    const { source } = this.files;
    const tensors = [...this.checked.tensors.values()].map(({ file }) => file);
    const texts = source.single === undefined ? [modelNames.config, modelNames.tokenizer] : [];
    const names = [...new Set([...texts, ...tensors])];
    return Promise.all(
      names.map(async (name) => ({
        ...(await describeFile(source.nameOf(name), { signal })),
        name,
      })),
    );
  }

  async close(): Promise<void> {
    const tables = this.#tables.map(({ store }) => store);
    this.#tables = [];
    await closeAll([...tables, this.files]);
  }
}

async function textsOf(files: ModelFiles): Promise<ModelTexts> {
  // What is written of it are numbers.
  const { torch_dtype: _, quantization_config: _packing, ...config } = files.config;
  const { generationConfig } = files;
  const chatTemplate = await files.chatTemplate();
  return {
    config,
    ...(generationConfig && { generationConfig }),
    ...(chatTemplate !== undefined && { chatTemplate }),
  };
}

function sizesOf(engram: EngramConfig | undefined): MemorySizes {
  if (engram === undefined)
    return { layerIds: [], maxNgramSize: 2, numHeads: 1, headDim: 1, minBucketRows: [1] };
  const { layerIds, maxNgramSize, numHeads, headDim, minBucketRows } = engram;
  return { layerIds, maxNgramSize, numHeads, headDim, minBucketRows };
}
