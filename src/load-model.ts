/** Opens models on Node: from a directory or a GGUF file, on ONNX Runtime, with threads, in the memory of this machine. */
import { ChatTemplate, encodeChat } from "./chat/index.ts";
import { startTemplateWorker } from "./chat/node/index.ts";
import { checkpointTables, openPlace, type Place } from "./at-rest/node/index.ts";
import type { ModelFiles } from "./checkpoint/index.ts";
import { keptArrays, openModelPath } from "./checkpoint/node/index.ts";
import { InvalidConfigError } from "./errors.ts";
import { Facts, FactStore, type LogVocabulary } from "./facts/index.ts";
import { fingerprintOf, openFactLog } from "./facts/node/index.ts";
import { checkPlan, type MemoryPlan, planMemory, whatFits } from "./machine/index.ts";
import { readMachineMemory } from "./machine/node/index.ts";
import { mixtureValues } from "./model/index.ts";
import type { ModelPacks } from "./packs/index.ts";
import { openPacks } from "./packs/node/index.ts";
import { openModelFiles } from "./open-files.ts";
import { type Engine, openModel, type Placement } from "./open-model.ts";
import type { Model } from "./opened-model.ts";
import { adviseHugePages, mapFile, ortBackend } from "./tensor/backends/onnx/node/index.ts";
import type { LanguageModel } from "./inference/index.ts";
import { markOf, VectorWriter } from "./teaching/index.ts";
import type { Backend } from "./tensor/index.ts";
import { startTokenizerWorker } from "./tokenizer/node/index.ts";
import { version } from "./bytes/node/index.ts";

/** How to open a model. */
export interface LoadModelOptions extends Omit<Placement, "elsewhere"> {
  /** A function makes one that the model closes. Default: ONNX Runtime on all cores. */
  readonly backend?: Backend | (() => Backend);
  /**
   * Where the tables are, if not in the directory, which then need not have them. They are read from there behind
   * `tableMemory` bytes of RAM, by default 256 MiB.
   */
  readonly table?: Place | undefined;
  /**
   * Where what it is taught is kept. Default: `memory/` in its directory, or, for a file, a directory that may not be
   * written or one of a cache, `engram/` in the user's data (XDG_DATA_HOME). Nothing is written before it is taught.
   */
  readonly memoryDir?: string | undefined;
  /**
   * A memory that several servers share, in Valkey or Redis, in place of a directory:
   * `redis[s]://user:password@host:port/NAME`. What is taught at one is known at all.
   */
  readonly memoryUrl?: string | undefined;
  /**
   * Files of packs, whose counts are read beside its own: where a text is like what they were counted from they say what
   * comes next. Of equal ones the first counts more. Default: none, and then no bit is another.
   */
  readonly packs?: readonly string[] | undefined;
  /** Told what the model will take, before anything large is allocated. */
  readonly onPlan?: (plan: MemoryPlan) => void;
}

/** The settings and tensors of the model in the directory or GGUF file `path`; see `openModelFiles`. */
export async function openFilesAt(path: string): Promise<ModelFiles> {
  return openModelFiles(await openModelPath(path));
}

/** Opens the model in the directory or GGUF file `path`; throws as `openModel` does. */
export async function loadModel(
  path: string,
  {
    backend = () => ortBackend(),
    table,
    memoryDir,
    memoryUrl,
    packs = [],
    onPlan,
    ...placement
  }: LoadModelOptions = {},
): Promise<Model> {
  if (packs.length > 0 && placement.memory === false)
    throw new InvalidConfigError("packs are read as its memory: open the model with it");
  let mark: string | undefined;
  const engine: Engine = {
    backend,
    startWorker: startTokenizerWorker,
    admit(sizes, use) {
      const machine = readMachineMemory();
      const plan = planMemory(sizes, { use, machine });
      onPlan?.(plan);
      checkPlan(plan, { subject: path, advice: whatFits(sizes, { use, machine }) });
    },
    advise: adviseHugePages,
    ...(packs.length > 0 && {
      openPacks: async ({ tokenizer, config }) => {
        const opened = await openPacks(packs, {
          vocabulary: Buffer.from(fingerprintOf(tokenizer)).toString("hex"),
          vocabSize: config.vocabSize,
          hasReader: config.counted !== undefined,
        });
        return Object.assign(opened, {
          readFor: <Of extends ModelToRead>(model: Of): Promise<Of> =>
            readPacks(opened, model, (mark = markOf(model))),
        });
      },
    }),
    keepPacked: keptArrays({ version, map: mapFile }),
    async openFacts({ tokenizer, config, chatTemplate: source }) {
      let known: LogVocabulary | undefined;
      const vocabulary = (): LogVocabulary =>
        (known ??= { fingerprint: fingerprintOf(tokenizer), numIds: config.vocabSize });
      const log = await openFactLog(path, { memoryDir, memoryUrl, vocabulary });
      const store = new FactStore({ log, records: await log.read() });
      const writerFor = (language: LanguageModel): VectorWriter => new VectorWriter(language);
      if (source === undefined) return new Facts(store, { tokenizer, writerFor });
      const template = new ChatTemplate(source, { tokenizer, startWorker: startTemplateWorker });
      return new Facts(store, {
        tokenizer,
        writerFor,
        chatIds: async (content) =>
          encodeChat(tokenizer, await template.render([{ role: "user", content }])),
        close: () => template.close(),
      });
    },
  };
  // Refuses what is no model, before anything is looked for in it.
  const source = await openModelPath(path);
  const elsewhere =
    table !== undefined
      ? openPlace(table)
      : placement.memory === false || source.single !== undefined
        ? undefined
        : await checkpointTables(path);
  const model = await openModel(source, engine, { ...placement, elsewhere });
  if (model.taught !== undefined) {
    const { hiddenSize: width, numLayers } = model.config;
    model.taught.store.reader = { mark: mark ?? markOf(model.language), width, numLayers };
  }
  return model;
}

type ModelToRead = Pick<LanguageModel, "config" | "params" | "quantized">;

/** Reads packs for a model, which gets the weights that one of them brings if it has none that weigh counts. */
async function readPacks<Of extends ModelToRead>(
  packs: ModelPacks,
  model: Of,
  mark: string,
): Promise<Of> {
  const { vocabSize, hiddenSize, numLayers: layerId, counted } = model.config;
  const order = counted?.order ?? packs.readerOrder!;
  const wanted = counted === undefined ? { mark, hiddenSize } : undefined;
  const reader = await packs.read({ vocabSize, layerId, order }, wanted);
  if (reader === undefined) return model;
  const config = { ...model.config, counted: { order } };
  return { ...model, config, params: { ...model.params, ...mixtureValues(config, reader) } };
}
