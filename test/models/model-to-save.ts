/** A small model with a tokenizer of its own, as `saveModel` takes it: for tests of model directories. */
import {
  buildCountedTable,
  buildTokenMap,
  type CountedTable,
  sortByContext,
  tableInRam,
} from "../../src/memory/index.ts";
import type { ModelConfig } from "../../src/model/index.ts";
import type { ModelToSave } from "../../src/save-model.ts";
import { referenceBackend } from "../../src/tensor/index.ts";
import {
  parseTokenizerJson,
  type Tokenizer,
  toTokenizerJson,
  trainBpe,
} from "../../src/tokenizer/index.ts";
import { packableConfig, randomModel, smallEngram } from "./random-model.ts";

/** What its tokenizer, and its counts if it has some, are made of. */
export const text = "the cat sat on the mat and the Cat sat on THE mat again ";

/**
 * Wide enough to be packed. `hasMemory` false: without learned rows. With `counted` it has counts of the text, whose
 * weights are not all the same.
 */
export async function modelToSave({
  hasMemory = true,
  ...sizes
}: { hasMemory?: boolean } & Partial<ModelConfig> = {}): Promise<ModelToSave> {
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
  for (const [name, { data }] of Object.entries(params))
    if (name.startsWith("memory_mixture"))
      for (let i = 0; i < data.length; i++) data[i] = Math.sin(i);
  return {
    config,
    params,
    tokenizer,
    eosTokenId: parsed.eosTokenId!,
    tables: memory?.tables ?? [],
    ...(sizes.counted && { counts: countsOf(await idsOf(parsed), config, sizes.counted) }),
  };
}

/** The text behind the token that begins documents. */
export async function idsOf(tokenizer: Tokenizer): Promise<number[]> {
  return [tokenizer.eosTokenId!, ...(await tokenizer.encode(text))];
}

function countsOf(
  ids: readonly number[],
  { vocabSize }: ModelConfig,
  { order }: NonNullable<ModelConfig["counted"]>,
): CountedTable {
  const corpus = {
    tokens: Uint16Array.from([...ids, ...ids.slice(3)]),
    starts: Uint32Array.of(0),
  };
  return tableInRam(buildCountedTable(sortByContext(corpus, { order, vocabSize }), { vocabSize }));
}
