/**
 * Models in GGUF files: their settings -> the config.json of the same model, and what their tensors are called here.
 * Closed: a setting of the architecture that is not read is refused by name and value. Knows no files and no blocks.
 */
import { InvalidConfigError } from "../../errors.ts";
import { shown } from "../../json-values.ts";
import type { Json } from "./closed.ts";

/** Settings by their names. */
type Settings = ReadonlyMap<string, unknown>;

interface Architecture {
  /** Keys of config.json that are the same for all of these models. */
  readonly fixed: Json;
  /** Keys of config.json by the settings that they come from. */
  readonly keys: Readonly<Record<string, string>>;
  /**
   * Whether rows of queries and keys lie as their rotation pairs them: first and second half of a head in turn, as
   * llama.cpp's converter puts those of Llama.
   */
  readonly hasPairedRows: boolean;
  /** Whether a part of a head may be rotated. */
  readonly isPartial?: boolean;
}

const sizes = {
  block_count: "num_hidden_layers",
  context_length: "max_position_embeddings",
  embedding_length: "hidden_size",
  feed_forward_length: "intermediate_size",
  "attention.head_count": "num_attention_heads",
} as const;

const llamaKeys = {
  ...sizes,
  "attention.head_count_kv": "num_key_value_heads",
  "attention.key_length": "head_dim",
  "attention.layer_norm_rms_epsilon": "rms_norm_eps",
  "rope.freq_base": "rope_theta",
} as const;

const architectures: Readonly<Record<string, Architecture>> = {
  llama: { fixed: { model_type: "llama" }, keys: llamaKeys, hasPairedRows: true },
  qwen2: {
    fixed: { model_type: "qwen2", use_sliding_window: false },
    keys: llamaKeys,
    hasPairedRows: false,
  },
  qwen3: {
    fixed: { model_type: "qwen3", use_sliding_window: false },
    keys: llamaKeys,
    hasPairedRows: false,
  },
  gpt2: {
    fixed: { model_type: "gpt2", activation_function: "gelu_new" },
    keys: {
      block_count: "n_layer",
      context_length: "n_positions",
      embedding_length: "n_embd",
      feed_forward_length: "n_inner",
      "attention.head_count": "n_head",
      "attention.layer_norm_epsilon": "layer_norm_epsilon",
    },
    hasPairedRows: false,
  },
  gptneox: {
    fixed: { model_type: "gpt_neox", hidden_act: "gelu" },
    keys: {
      ...sizes,
      "attention.layer_norm_epsilon": "layer_norm_eps",
      "rope.freq_base": "rotary_emb_base",
      use_parallel_residual: "use_parallel_residual",
    },
    hasPairedRows: false,
    isPartial: true,
  },
};

/** Settings of any architecture that change nothing where they have these values. */
const computedAs: Readonly<Record<string, readonly unknown[]>> = {
  expert_count: [0],
  expert_used_count: [0],
  "attention.causal": [true],
  "attention.clamp_kqv": [0],
  "attention.max_alibi_bias": [0],
  "rope.scaling.type": ["none", "linear"],
  "rope.scale_linear": [1],
  pooling_type: [0],
  logit_scale: [0, 1],
};

/** Read apart, or neutral. */
const others: readonly string[] = [
  "vocab_size",
  "attention.value_length",
  "attention.head_count_kv",
  "rope.dimension_count",
  "rope.scaling.factor",
  // Of training, and of who wrote the file.
  "rope.scaling.original_context_length",
  "rope.scaling.finetuned",
  "tensor_data_layout",
];

function architectureOf(settings: Settings): { name: string; architecture: Architecture } {
  const name = settings.get("general.architecture");
  if (typeof name !== "string" || !Object.hasOwn(architectures, name))
    throw new InvalidConfigError(
      `general.architecture: ${name === undefined ? "none" : shown(name)} cannot be computed here; those that can ` +
        `are ${Object.keys(architectures).join(", ")}`,
    );
  return { name, architecture: architectures[name]! };
}

export interface GgufFacts {
  /** Rows of the embedding. */
  readonly vocabSize: number;
  /** Whether there is no matrix of outputs but the embedding. */
  readonly isTied: boolean;
  /** What the frequencies of rotary positions are divided by, one each, where the file has them. */
  readonly ropeFactors?: Float32Array | undefined;
}

/** Throws `InvalidConfigError` for an architecture or a setting that is not computed here. */
export function ggufConfigJson(settings: Settings, facts: GgufFacts): Json {
  const { name, architecture } = architectureOf(settings);
  const { keys, fixed, isPartial = false } = architecture;
  const get = (key: string): unknown => settings.get(`${name}.${key}`);
  checkClosed(settings, { name, keys });
  const json: Record<string, unknown> = {
    ...fixed,
    vocab_size: facts.vocabSize,
    tie_word_embeddings: facts.isTied,
  };
  for (const [from, to] of Object.entries(keys)) {
    const value = get(from);
    // A list says it layer by layer.
    if (value !== undefined)
      json[to] = ArrayBuffer.isView(value) ? oneOf(`${name}.${from}`, value) : value;
  }
  for (const key of ["bos_token_id", "eos_token_id"]) {
    const id = settings.get(`tokenizer.ggml.${key}`);
    if (id !== undefined) json[key] = id;
  }
  const width = count(settings, `${name}.embedding_length`);
  const heads = count(settings, `${name}.attention.head_count`);
  const headDim = count(settings, `${name}.attention.key_length`, width / heads);
  const same = (key: string, expected: number): void => {
    const value = get(key) ?? expected;
    if (value !== expected)
      throw new InvalidConfigError(
        `${name}.${key} is ${String(value)}, it is computed here as ${expected}`,
      );
  };
  same("attention.value_length", headDim);
  if (!isPartial) same("rope.dimension_count", headDim);
  else json["rotary_pct"] = Number(get("rope.dimension_count") ?? headDim) / headDim;
  const scaling = ropeScaling(settings, { name, headDim, ropeFactors: facts.ropeFactors });
  if (scaling !== undefined) json["rope_scaling"] = scaling;
  return json;
}

/** A size that others are made of. The other sizes are checked where config.json is read. */
function count(settings: Settings, key: string, otherwise?: number): number {
  const given = settings.get(key) ?? otherwise;
  const value = ArrayBuffer.isView(given) ? oneOf(key, given) : given;
  if (typeof value === "number" && Number.isInteger(value) && value > 0) return value;
  throw new InvalidConfigError(`${key} must be a whole number of 1 or more, got ${shown(value)}`);
}

function checkClosed(settings: Settings, { name, keys }: { name: string; keys: object }): void {
  for (const [full, value] of settings) {
    if (!full.startsWith(`${name}.`)) continue;
    const key = full.slice(name.length + 1);
    if (Object.hasOwn(keys, key) || others.includes(key)) continue;
    const allowed = Object.hasOwn(computedAs, key) ? computedAs[key]! : [];
    if (allowed.includes(value)) continue;
    throw new InvalidConfigError(
      `the setting "${full}": ${String(value).slice(0, 80)} ` +
        (allowed.length === 0
          ? "is not known here"
          : `is computed here as ${allowed.join(" or ")}`) +
        "; without it the answers would be another model's",
    );
  }
}

function oneOf(key: string, values: ArrayBufferView): unknown {
  const all = [...(values as Uint32Array)];
  const [first] = all;
  if (all.some((one) => one !== first))
    throw new InvalidConfigError(`${key} differs from layer to layer, which is not computed here`);
  return first;
}

/** Published scalings of Llama 3: of each, the file has the frequencies' divisors alone. */
const llama3Scalings: readonly Readonly<Record<string, unknown>>[] = [8, 32].map((factor) => ({
  rope_type: "llama3",
  factor,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 8192,
}));

function ropeScaling(
  settings: Settings,
  {
    name,
    headDim,
    ropeFactors,
  }: { name: string; headDim: number; ropeFactors: Float32Array | undefined },
): Json | undefined {
  const factor = settings.get(`${name}.rope.scaling.factor`) ?? 1;
  const isLinear = settings.get(`${name}.rope.scaling.type`) === "linear";
  if (ropeFactors === undefined)
    return isLinear && factor !== 1 ? { rope_type: "linear", factor } : undefined;
  const theta = Number(settings.get(`${name}.rope.freq_base`) ?? 10_000);
  const found = llama3Scalings.find((scaling) => {
    const expected = llama3Factors(scaling, { theta, headDim });
    return (
      ropeFactors.length === expected.length &&
      expected.every((one, i) => Math.abs(one / ropeFactors[i]! - 1) < 1e-5)
    );
  });
  if (found === undefined || isLinear)
    throw new InvalidConfigError(
      "rope_freqs.weight holds divisors of rotary frequencies that are not Llama 3's (factor 8 or 32, of 8192 positions); others are not computed here",
    );
  return found;
}

/** By the formula of Transformers' `_compute_llama3_parameters`. */
function llama3Factors(
  scaling: Readonly<Record<string, unknown>>,
  { theta, headDim }: { theta: number; headDim: number },
): number[] {
  const [factor, low, high, trained] = [
    scaling["factor"],
    scaling["low_freq_factor"],
    scaling["high_freq_factor"],
    scaling["original_max_position_embeddings"],
  ] as [number, number, number, number];
  return Array.from({ length: headDim / 2 }, (_, i) => {
    const wave = 2 * Math.PI * theta ** ((2 * i) / headDim);
    if (wave < trained / high) return 1;
    if (wave > trained / low) return factor;
    const smooth = (trained / wave - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}

/** A tensor here that is a tensor of the file, or rows of it. */
export interface GgufPart {
  /** As it is called here (`params.ts`). */
  readonly name: string;
  /** The first, second or third part of its rows, where the file has queries, keys and values as one. */
  readonly third?: 0 | 1 | 2;
  /** How many heads' rows are in pairs; see `Architecture`. */
  readonly pairedHeads?: number;
}

const topNames: Readonly<Record<string, string>> = {
  token_embd: "model.embed_tokens",
  position_embd: "model.embed_positions",
  output_norm: "model.norm",
  output: "lm_head",
};

const layerNames: Readonly<Record<string, string>> = {
  attn_norm: "input_layernorm",
  attn_q: "self_attn.q_proj",
  attn_k: "self_attn.k_proj",
  attn_v: "self_attn.v_proj",
  attn_output: "self_attn.o_proj",
  attn_q_norm: "self_attn.q_norm",
  attn_k_norm: "self_attn.k_norm",
  ffn_norm: "post_attention_layernorm",
  ffn_gate: "mlp.gate_proj",
  ffn_up: "mlp.up_proj",
  ffn_down: "mlp.down_proj",
};

const [NAME, LAYER] = [/^([a-z_]+)\.(weight|bias)$/, /^blk\.(\d+)\.([a-z_]+)\.(weight|bias)$/];

/**
 * What a tensor of the file is here: one, or three where queries, keys and values are fused. Of a name that is not known
 * it is itself, so that whoever checks names will say so.
 */
export function ggufParts(settings: Settings, name: string): GgufPart[] {
  const { name: model, architecture } = architectureOf(settings);
  const [, top, what] = NAME.exec(name) ?? [];
  if (top !== undefined && Object.hasOwn(topNames, top))
    return [{ name: `${topNames[top]}.${what}` }];
  const [, layer, part, kind] = LAYER.exec(name) ?? [];
  const within = `model.layers.${layer}`;
  if (part === "attn_qkv")
    return (["q", "k", "v"] as const).map((one, third) => {
      return { name: `${within}.self_attn.${one}_proj.${kind}`, third: third as 0 | 1 | 2 };
    });
  if (part === undefined || !Object.hasOwn(layerNames, part)) return [{ name }];
  const heads = count(settings, `${model}.attention.head_count`);
  const keyHeads = count(settings, `${model}.attention.head_count_kv`, heads);
  const pairedHeads = { attn_q: heads, attn_k: keyHeads }[part];
  return [
    {
      name: `${within}.${layerNames[part]}.${kind}`,
      ...(architecture.hasPairedRows && pairedHeads !== undefined && { pairedHeads }),
    },
  ];
}
