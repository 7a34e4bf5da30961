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

/** Keys of any family that change no number, or whose only value that is computed here does. */
export const commonKeys: Omit<ClosedKeys, "read"> = {
  fixed: {
    is_encoder_decoder: [false],
    add_cross_attention: [false],
    cross_attention_hidden_size: [null],
    pruned_heads: [{}],
    tie_encoder_decoder: [false],
    attn_logit_softcapping: [null],
    final_logit_softcapping: [null],
  },
  neutral: {
    dtype: "the files say how each tensor rests",
    torch_dtype: "the older name of dtype",
    transformers_version: "who wrote the file",
    "transformers.js_config": "of another program",
    _name_or_path: "where it was once",
    _attn_implementation: "a matter of speed",
    _attn_implementation_autoset: "a matter of speed",
    attn_implementation: "a matter of speed",
    pad_token_id: "sequences are cut, not padded",
    use_cache: "a matter of speed",
    use_bfloat16: "a matter of speed",
    torchscript: "a matter of speed",
    chunk_size_feed_forward: "a matter of speed",
    initializer_range: "of training only",
    attention_dropout: "of training only",
    is_decoder: "says how another program would use it",
    output_attentions: "says what another program returns",
    output_hidden_states: "says what another program returns",
    return_dict: "says what another program returns",
    tokenizer_class: "tokenizer.json says what is read",
    task_specific_params: "of another program",
    problem_type: "of classifiers",
    id2label: "of classifiers",
    label2id: "of classifiers",
    finetuning_task: "of classifiers",
  },
};

/** Compared with the tokenizer's by whoever has both. */
export const tokenKeys: readonly string[] = ["bos_token_id", "eos_token_id"];

/** Key of a family's name in config.json, with the name. */
export function nameKeys(name: FamilyName, { architecture }: Pick<Family, "architecture">): Json {
  return { architectures: [architecture], model_type: name };
}
