/**
 * A model that a server can serve: a byte-level tokenizer learned from a sentence, random weights and
 * rows. What it writes is noise, and the same noise every time.
 */
import type { LanguageModel, SamplingOptions } from "../../src/inference/index.ts";
import { Facts, type FactStore } from "../../src/facts/index.ts";
import { markOf, VectorWriter } from "../../src/teaching/index.ts";
import { generateText } from "../../src/generate-text.ts";
import {
  buildCountedTable,
  composed,
  CountedMemory,
  sortByContext,
  tableInRam,
} from "../../src/memory/index.ts";
import { LearnedCounts } from "../../src/learned-counts.ts";
import { Model } from "../../src/opened-model.ts";
import { ortBackend } from "../../src/tensor/backends/onnx/node/index.ts";
import { openTokenizer, toTokenizerJson, trainBpe } from "../../src/tokenizer/index.ts";
import { startTokenizerWorker } from "../../src/tokenizer/node/index.ts";
import type { StartWorker } from "../../src/worker/index.ts";
import { randomModel, smallConfig, smallEngram } from "./random-model.ts";

/** Messages as lines, closed by the end-of-text token. */
export const chatTemplate: string =
  "{%- for message in messages -%}{{ message.role + ': ' + message.content + '\n' }}{%- endfor -%}" +
  "{%- if add_generation_prompt -%}{{ 'assistant:' }}{%- endif -%}";

export async function servedModel({
  contextSize = 128,
  withChat = false,
  template = chatTemplate,
  specialTokens,
  startWorker = startTokenizerWorker,
  hasMemory = true,
  countedOrder,
  beforeRead,
  store,
}: {
  contextSize?: number;
  withChat?: boolean;
  /** Default: the one above. */
  template?: string;
  /** Default: the end-of-text token alone. */
  specialTokens?: readonly string[];
  /** For its tokenizer. Default: a thread of Node. */
  startWorker?: StartWorker;
  /** Whether it has learned rows. */
  hasMemory?: boolean;
  /** N-grams of up to so many ids of the tokenizer's sentence are its counted memory. Default: it has none. */
  countedOrder?: number;
  /** Called before every read of rows, which then has nothing at hand; may throw in the store's place. */
  beforeRead?: () => void;
  /** Where what it is taught is kept. Default: it can be taught nothing. */
  store?: FactStore;
} = {}): Promise<Model> {
  const text = "the cat sat on the mat and the Cat sat on THE mat again ";
  const definition = await trainBpe([text.repeat(20)], {
    vocabSize: 280,
    ...(specialTokens && { specialTokens }),
  });
  const tokenizer = await openTokenizer(toTokenizerJson(definition), { startWorker });
  const { vocabSize } = tokenizer;
  const { engram: _, ...backbone } = smallConfig;
  const language = await randomModel(ortBackend({ threads: 2 }), {
    ...backbone,
    vocabSize,
    maxPositions: contextSize,
    ...(hasMemory && { engram: { ...smallEngram, compressedVocabSize: vocabSize } }),
    ...(countedOrder !== undefined && { counted: { order: countedOrder } }),
  });
  for (const { store } of language.memory?.tables ?? []) {
    if (beforeRead === undefined) continue;
    const read = store.read.bind(store);
    store.readNow = () => false;
    store.read = async (rows, into) => {
      beforeRead();
      await read(rows, into);
    };
  }
  // Zero at the start, where every weight is the same.
  for (const [name, { data }] of Object.entries(language.params))
    if (name.startsWith("memory_mixture"))
      for (let i = 0; i < data.length; i++) data[i] = Math.sin(i);
  const counts =
    countedOrder === undefined
      ? undefined
      : countsOf(await tokenizer.encode(text.repeat(4)), {
          order: countedOrder,
          vocabSize,
          layerId: language.config.numLayers,
        });
  const learned = new LearnedCounts();
  const { hiddenSize: width, numLayers } = language.config;
  if (store !== undefined) store.reader = { mark: markOf(language), width, numLayers };
  return new Model("models/served", {
    tokenizer,
    language: { ...language, memory: composed([language.memory, counts]) },
    ownsBackend: false,
    ...(withChat && { chatTemplate: template }),
    taught: store && new Facts(store, { tokenizer, writerFor }),
    learned: store && (() => learned),
  });
}

function countsOf(
  ids: ArrayLike<number>,
  { order, vocabSize, layerId }: { order: number; vocabSize: number; layerId: number },
): CountedMemory {
  const text = { tokens: Uint16Array.from(ids), starts: Uint32Array.of(0) };
  const table = buildCountedTable(sortByContext(text, { order, vocabSize }), { vocabSize });
  return new CountedMemory(tableInRam(table), { layerId });
}

/** What the library makes of the same prompt, without any server. */
export async function libraryText(
  model: Model,
  prompt: string,
  options: SamplingOptions & { maxTokens: number; memory?: boolean },
): Promise<string> {
  let text = "";
  for await (const piece of generateText(model, prompt, options)) text += piece;
  return text;
}

function writerFor(language: LanguageModel): VectorWriter {
  return new VectorWriter(language, { maxSteps: 3 });
}
