/**
 * What config.json and generation_config.json say of texts: where they begin and end, and how tokens are chosen by
 * default. The rest of generation_config.json says how other programs generate, and changes nothing here.
 */
import { InvalidConfigError } from "./errors.ts";
import type { JsonObject, ModelFiles } from "./checkpoint/index.ts";
import { createSampler, type SamplingOptions } from "./inference/index.ts";
import type { ModelConfig } from "./model/index.ts";
import type { ReadTokenizerOptions, Tokenizer } from "./tokenizer/index.ts";

/** How the tokenizer of a model is to be opened. */
export function tokenizerSettings(
  files: ModelFiles,
  { family, documentStart, vocabSize }: ModelConfig,
): Pick<ReadTokenizerOptions, "bounds" | "vocabSize"> {
  // Texts of models trained here begin and end with one token, by which documents are told apart.
  if (family === undefined) return {};
  const stopIds = idsUnder(files, "eos_token_id", vocabSize);
  const [bosTokenId] = idsUnder(files, "bos_token_id", vocabSize) ?? [];
  return {
    vocabSize,
    bounds: {
      startIds: documentStart === undefined ? "template" : [documentStart],
      ...(stopIds !== undefined && { stopIds }),
      ...(bosTokenId !== undefined && { bosTokenId }),
    },
  };
}

/** Throws `InvalidConfigError` where the settings are those of another vocabulary. */
export function checkTokenizer(
  { path, config: settings }: ModelFiles,
  { family, vocabSize }: ModelConfig,
  tokenizer: Tokenizer,
): void {
  if (tokenizer.vocabSize !== vocabSize)
    throw new InvalidConfigError(
      `${path}: config.json says vocab_size ${vocabSize}, tokenizer.json has ${tokenizer.vocabSize} tokens`,
    );
  if (family !== undefined) return;
  for (const key of ["bos_token_id", "eos_token_id"]) {
    const value = settings[key] ?? undefined;
    if (value !== undefined && value !== tokenizer.eosTokenId)
      throw new InvalidConfigError(
        `${path}: config.json says ${key} ${JSON.stringify(value)}, but documents begin and end with ` +
          `${tokenizer.eosTokenId ?? "no token"} by tokenizer.json`,
      );
  }
}

/** Where both speak, generation_config.json is the one that is meant for this. Undefined where neither does. */
function idsUnder(
  { path, config, generationConfig }: ModelFiles,
  key: string,
  vocabSize: number,
): readonly number[] | undefined {
  const value = generationConfig?.[key] ?? config[key];
  if (value === undefined || value === null) return undefined;
  const ids = Array.isArray(value) ? (value as unknown[]) : [value];
  const isId = (id: unknown): id is number =>
    Number.isInteger(id) && (id as number) >= 0 && (id as number) < vocabSize;
  if (ids.every(isId)) return ids;
  throw new InvalidConfigError(
    `${path}: "${key}" must be an id of 0..${vocabSize - 1} or a list of them, got ${JSON.stringify(value)}`,
  );
}

/** Names of the options in generation_config.json. */
const samplingKeys = {
  temperature: "temperature",
  topK: "top_k",
  topP: "top_p",
  minP: "min_p",
  repetitionPenalty: "repetition_penalty",
} as const;

/** How tokens are chosen where nobody says it. `do_sample` of false takes the likeliest. */
export function samplingDefaults({ path, generationConfig = {} }: ModelFiles): SamplingOptions {
  const options: Record<string, number> = {};
  for (const [option, key] of Object.entries(samplingKeys)) {
    const value = generationConfig[key] ?? undefined;
    if (value === undefined) continue;
    if (typeof value !== "number") throw badSampling(path, { [key]: value });
    options[option] = value;
  }
  if (generationConfig["do_sample"] === false) options["temperature"] = 0;
  try {
    createSampler(options);
  } catch (error) {
    if (error instanceof InvalidConfigError)
      throw badSampling(path, generationConfig, error.message);
    throw error;
  }
  return options;
}

function badSampling(path: string, json: JsonObject, why = "expected numbers"): InvalidConfigError {
  return new InvalidConfigError(
    `${path}: generation_config.json: ${why}, got ${JSON.stringify(json).slice(0, 200)}`,
  );
}
