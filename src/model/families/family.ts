/**
 * What a family of models says of itself: how its config.json reads, and how its tensors are called and laid out in
 * files. Computes nothing: what its layers do, `BlockConfig` describes.
 */
import type { FamilyName, ModelConfig } from "../config.ts";
import type { ClosedKeys, Json } from "./closed.ts";

/** Names and layout of a family's tensors, where they are not those of `params.ts`. */
export interface FileNames {
  /** What a layer's names begin with, before its number. */
  readonly layers: string;
  /**
   * Names in files by the names here, within a layer or outside of all. Weights of one name are fused there in the
   * order of `params.ts`.
   */
  readonly names: Readonly<Record<string, string>>;
  /** Rows of each fused weight in turn. Default: all of them. */
  readonly run?: (config: ModelConfig) => number;
  /** Whether the matrices of layers rest as [in, out]. */
  readonly isTransposed?: boolean;
}

export interface Family {
  /** As "architectures" of config.json has it. */
  readonly architecture: string;
  readonly keys: ClosedKeys;
  /** What absent keys stand for; null where that depends on others. */
  readonly defaults: Json;
  /** Reads settings that are complete and closed. The memory's keys are read by `config-json.ts`. */
  parse(json: Json): ModelConfig;
  /** The way back. */
  toJson(config: ModelConfig): Record<string, unknown>;
  /** Default: as they are here. */
  readonly files?: FileNames;
  /**
   * What the names of the backbone begin with: files of a model without its head leave it out. Default: there are none
   * such.
   */
  readonly prefix?: string;
  /** Buffers that some files have and that change nothing, by name, with the reason. */
  readonly harmless: readonly (readonly [pattern: RegExp, reason: string])[];
}

/** Key of a family's name in config.json, with the name. */
export function nameKeys(name: FamilyName, { architecture }: Pick<Family, "architecture">): Json {
  return { architectures: [architecture], model_type: name };
}
