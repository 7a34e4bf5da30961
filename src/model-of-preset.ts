/** The configuration of the model that a preset makes with a vocabulary. Knows no weights and no texts. */
import { InvalidConfigError } from "./errors.ts";
import { engramConfigToJson, parseEngramConfig } from "./memory/index.ts";
import { familyOf, type ModelConfig, modelConfigToJson, parseModelConfig } from "./model/index.ts";
import type { Preset } from "./training/index.ts";

/**
 * Checked as it will be when it is loaded. Throws `InvalidConfigError` for sizes that do not fit together.
 */
export function modelOfPreset(
  preset: Preset,
  {
    memory,
    vocabSize,
    eosTokenId,
    compressedVocabSize,
  }: { memory: boolean; vocabSize: number; eosTokenId: number; compressedVocabSize: number },
): ModelConfig {
  const hasRows = memory && preset.memory.layerIds.length > 0;
  const { order } = preset.counted;
  // Look-back before a text's start reads as the end of the text before.
  const engram = { ...preset.memory, padTokenId: eosTokenId, compressedVocabSize, seed: 0 };
  const config: ModelConfig = {
    ...preset.model,
    vocabSize,
    documentStart: eosTokenId,
    ...(hasRows && { engram }),
    ...(memory && order > 0 && { counted: { order } }),
  };
  return parseModelConfig(modelConfigToJson(config), {
    family: familyOf(config),
    engram: hasRows ? parseEngramConfig(engramConfigToJson(engram)) : undefined,
  });
}

/**
 * Throws `InvalidConfigError` for sizes that do not fit together, whatever vocabulary is learned. `goesOn`: the model has
 * been trained already, in whatever windows.
 */
export function checkPreset(
  preset: Preset,
  { memory, goesOn = false }: { memory: boolean; goesOn?: boolean },
): void {
  const { vocabSize, model, training } = preset;
  const { length } = training;
  // A position that no window reaches is never trained: a longer context would be worse, not better, there.
  if (length > model.maxPositions || (length < model.maxPositions && !goesOn))
    throw new InvalidConfigError(
      `windows of ${length} tokens (training.length) for a context of ` +
        `${model.maxPositions} (model.maxPositions): expected ${goesOn ? "no more" : "the same number, which --context sets for both"}`,
    );
  modelOfPreset(preset, { memory, vocabSize, eosTokenId: 0, compressedVocabSize: vocabSize });
}
