/**
 * config.json <-> `ModelConfig`: the family by its "model_type", and the memory's keys, which any family may have.
 * Closed: what is not read, neutral or computed here is refused by name and value. Knows no weights and no files.
 */
import { InvalidConfigError } from "../../errors.ts";
import { isCount, shown } from "../../json-values.ts";
import type { EngramConfig } from "../../memory/index.ts";
import { checkModelConfig, GATE_BOUNDS, type FamilyName, type ModelConfig } from "../config.ts";
import { checkKeys, decimal, type Json, whole } from "./closed.ts";
import { engram as own } from "./engram.ts";
import type { Family } from "./family.ts";

/** A page that opens a model of ours does not load the others. */
const families: Readonly<Record<FamilyName, () => Promise<Family>>> = {
  engram: () => Promise.resolve(own),
  llama: async () => (await import("./llama.ts")).llama,
  mistral: async () => (await import("./llama.ts")).mistral,
  qwen2: async () => (await import("./qwen.ts")).qwen2,
  qwen3: async () => (await import("./qwen.ts")).qwen3,
  gpt2: async () => (await import("./gpt2.ts")).gpt2,
  gpt_neox: async () => (await import("./gpt-neox.ts")).gptNeox,
};

/** Those of which a config.json was read. */
const loaded = new Map<FamilyName, Family>([["engram", own]]);

/** The family of a configuration that was read here. */
export function familyOf({ family = "engram" }: ModelConfig): Family {
  const found = loaded.get(family);
  if (found === undefined) throw new Error(`no config.json of the family ${family} was read`);
  return found;
}

/** Keys of ours in any family. */
const ourKeys: readonly string[] = [
  "document_start_token_id",
  // `parseQuantization`.
  "quantization_config",
  "counted_order",
  // The transformer's share of the memory; without one they say nothing.
  "engram_kernel_size",
  "engram_gate",
];

/**
 * Reads a config.json; the memory's part, which is closed itself (`parseEngramConfig`), comes parsed in `engram`.
 * Throws `InvalidConfigError` for keys and values that would change what the model computes and are not computed
 * here. Whether sizes are those of the weights is not known yet.
 */
export async function readModelConfig(
  json: Json,
  engram: EngramConfig | undefined,
): Promise<ModelConfig> {
  const name = json["model_type"];
  if (typeof name !== "string" || !Object.hasOwn(families, name))
    throw new InvalidConfigError(
      `config.json: "model_type": ${name === undefined ? "none" : shown(name)} is no family that can be ` +
        `computed here; those are ${Object.keys(families).join(", ")}`,
    );
  const family = await families[name as FamilyName]();
  loaded.set(name as FamilyName, family);
  return parseModelConfig(json, { family, engram });
}

/** The same for a family that is known; by default that of the models trained here. */
export function parseModelConfig(
  json: Json,
  { family = own, engram }: { family?: Family; engram?: EngramConfig | undefined },
): ModelConfig {
  const { keys, defaults, parse } = family;
  const memoryKeys = Object.keys(json).filter((key) => engram && key.startsWith("engram_"));
  checkKeys(json, { ...keys, read: [...keys.read, ...ourKeys, ...memoryKeys] }, "config.json");
  const documentStart = parseDocumentStart(json);
  const order = json["counted_order"] ?? undefined;
  const gate = json["engram_gate"] ?? undefined;
  const config: ModelConfig = {
    ...parse({ ...defaults, ...json }),
    ...(documentStart === undefined ? {} : { documentStart }),
    ...(engram === undefined ? {} : { engram }),
    ...(order === undefined ? {} : { counted: { order: whole(json, "counted_order") } }),
    ...(gate === undefined ? {} : { engramGate: decimal(json, "engram_gate", GATE_BOUNDS) }),
    engramKernelSize:
      (json["engram_kernel_size"] ?? 0) === 0 ? 0 : whole(json, "engram_kernel_size"),
  };
  checkModelConfig(config);
  return config;
}

/** Everything but the memory's keys and special tokens. */
export function modelConfigToJson(config: ModelConfig): Record<string, unknown> {
  return {
    ...familyOf(config).toJson(config),
    document_start_token_id: config.documentStart ?? null,
    ...(config.counted === undefined ? {} : { counted_order: config.counted.order }),
    ...(config.engramGate === undefined ? {} : { engram_gate: config.engramGate }),
    ...(config.engramKernelSize > 0 ? { engram_kernel_size: config.engramKernelSize } : {}),
  };
}

/**
 * The token that starts a document, for models that say so ("document_start_token_id"; null for none). Models trained by
 * earlier versions of engram do not say it, and mean their end-of-text token: training packed documents so from the first
 * version on. They are told by their "model_type".
 */
export function parseDocumentStart(json: Json): number | undefined {
  const name = "document_start_token_id";
  const isOldOfOurs = json[name] === undefined && json["model_type"] === "engram";
  const value = isOldOfOurs ? json["eos_token_id"] : json[name];
  if (value === undefined || value === null) return undefined;
  if (!isCount(value))
    throw new InvalidConfigError(
      `config.json: "${isOldOfOurs ? "eos_token_id" : name}" must be a token id or null, got ${shown(value)}`,
    );
  return value;
}
