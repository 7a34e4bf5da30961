/** A small model with a tokenizer of its own, as `saveModel` takes it: for tests of model directories. */
import { buildTokenMap } from "../../src/memory/index.ts";
import type { ModelConfig } from "../../src/model/index.ts";
import type { ModelToSave } from "../../src/save-model.ts";
import { referenceBackend } from "../../src/tensor/index.ts";
import { parseTokenizerJson, toTokenizerJson, trainBpe } from "../../src/tokenizer/index.ts";
import { packableConfig, randomModel, smallEngram } from "./random-model.ts";

/** Wide enough to be packed. `hasMemory` false: a plain transformer. */
export async function modelToSave({
  hasMemory = true,
  ...sizes
}: { hasMemory?: boolean } & Partial<ModelConfig> = {}): Promise<ModelToSave> {
  const text = "the cat sat on the mat and the Cat sat on THE mat again ";
  const tokenizer = toTokenizerJson(await trainBpe([text.repeat(20)], { vocabSize: 280 }));
  const parsed = await parseTokenizerJson(tokenizer);
  const { engram: _, ...backbone } = packableConfig;
  const { compressedVocabSize } = buildTokenMap(parsed);
  const { config, params, memory } = await randomModel(referenceBackend(), {
    ...backbone,
    ...sizes,
    vocabSize: parsed.vocabSize,
    ...(hasMemory && { engram: { ...smallEngram, compressedVocabSize } }),
  });
  return {
    config,
    params,
    tokenizer,
    eosTokenId: parsed.eosTokenId!,
    tables: memory?.tables ?? [],
  };
}
