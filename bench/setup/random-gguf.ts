/**
 * A GGUF file with a model of a preset's sizes and random weights (Qwen 3's blocks, which ours are without a memory), which every engine that reads the format opens as the
 * same model. For benches beside other engines: its vocabulary spells nothing worth reading.
 */
import { initialParams, type ModelConfig, paramLayout, paramViews } from "../../src/model/index.ts";
import type { Value } from "../../src/tensor/index.ts";
import type { Preset } from "../../src/training/index.ts";
import { ggufBytes, type GgufTensorToWrite, type Setting } from "../../test/models/write-gguf.ts";

export const GGUF_DTYPES = ["f32", "q8_0", "q4_0"] as const;
export type GgufDtype = (typeof GGUF_DTYPES)[number];

/** GGML's numbers of element types. */
const typeNumber = { f32: 0, q4_0: 2, q8_0: 8 } as const;

/** Positions that the model says it can hold. */
const CONTEXT = 4096;

export function randomGguf({ model, vocabSize }: Preset, dtype: GgufDtype): Uint8Array {
  const config: ModelConfig = { ...model, vocabSize };
  const layout = paramLayout(config);
  const params = paramViews(layout, initialParams(layout, 1));
  return ggufBytes({
    settings: settings(config),
    tensors: Object.entries(params).map(([name, value]) => tensor(ggufName(name), value, dtype)),
  });
}

function settings(config: ModelConfig): Record<string, Setting> {
  const { hiddenSize, numLayers, numHeads, numKvHeads, intermediateSize, headDim } = config;
  const tokens = Array.from({ length: config.vocabSize }, (_, id) => spelling(id));
  return {
    "general.architecture": ["text", "qwen3"],
    "qwen3.block_count": ["u32", numLayers],
    "qwen3.context_length": ["u32", CONTEXT],
    "qwen3.embedding_length": ["u32", hiddenSize],
    "qwen3.feed_forward_length": ["u32", intermediateSize],
    "qwen3.attention.head_count": ["u32", numHeads],
    "qwen3.attention.head_count_kv": ["u32", numKvHeads],
    "qwen3.attention.layer_norm_rms_epsilon": ["f32", config.rmsNormEps],
    "qwen3.rope.freq_base": ["f32", config.ropeTheta],
    "qwen3.attention.key_length": ["u32", headDim],
    "qwen3.attention.value_length": ["u32", headDim],
    "tokenizer.ggml.model": ["text", "gpt2"],
    "tokenizer.ggml.pre": ["text", "gpt-2"],
    "tokenizer.ggml.tokens": ["texts", tokens],
    "tokenizer.ggml.token_type": ["i32s", tokens.map(() => 1)],
    "tokenizer.ggml.merges": ["texts", ["t h"]],
    "tokenizer.ggml.eos_token_id": ["u32", config.vocabSize - 1],
  };
}

/** The byte alphabet of GPT-2, one merge of it, and names. */
function spelling(id: number): string {
  if (id === 256) return "th";
  if (id > 256) return `name${id}`;
  const isShown = (id > 32 && id < 127) || (id > 160 && id !== 173);
  if (isShown) return String.fromCodePoint(id);
  const hidden = id <= 32 ? id : id < 161 ? id - 127 + 33 : 67;
  return String.fromCodePoint(256 + hidden);
}

const parts: Readonly<Record<string, string>> = {
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.o_proj": "attn_output",
  "self_attn.q_norm": "attn_q_norm",
  "self_attn.k_norm": "attn_k_norm",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
  input_layernorm: "attn_norm",
  post_attention_layernorm: "ffn_norm",
};

function ggufName(name: string): string {
  if (name === "model.embed_tokens.weight") return "token_embd.weight";
  if (name === "model.norm.weight") return "output_norm.weight";
  const [, layer, part] = /^model\.layers\.(\d+)\.(.+)\.weight$/.exec(name)!;
  return `blk.${layer}.${parts[part!]!}.weight`;
}

function tensor(name: string, { data, shape }: Value, dtype: GgufDtype): GgufTensorToWrite {
  const as = shape.length === 1 ? "f32" : dtype;
  const values = data as Float32Array;
  const bytes = as === "f32" ? new Uint8Array(values.slice().buffer) : blocks(values, as);
  return { name, sides: shape.toReversed(), type: typeNumber[as], bytes };
}

/** Blocks of 32 as GGML's reference quantisers choose them. */
function blocks(values: Float32Array, dtype: "q8_0" | "q4_0"): Uint8Array {
  const size = dtype === "q8_0" ? 34 : 18;
  const out = new Uint8Array((values.length / 32) * size);
  const view = new DataView(out.buffer);
  for (let block = 0; block < values.length / 32; block++) {
    const x = values.subarray(32 * block, 32 * block + 32);
    const most = x.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a), 0);
    const d = dtype === "q8_0" ? Math.abs(most) / 127 : most / -8;
    const at = block * size;
    view.setUint16(at, f16Bits(d), true);
    for (let i = 0; i < 32; i++) {
      const code = d === 0 ? 0 : x[i]! / d;
      if (dtype === "q8_0") view.setInt8(at + 2 + i, Math.round(code));
      else out[at + 2 + (i % 16)]! |= Math.min(15, Math.floor(code + 8.5)) << (i < 16 ? 0 : 4);
    }
  }
  return out;
}

/** Of a number below 65,504: scales of weights that start small lie below the normal range of binary16. */
function f16Bits(value: number): number {
  if (value === 0) return 0;
  const exponent = Math.max(-14, Math.floor(Math.log2(Math.abs(value))));
  const fraction = Math.round((Math.abs(value) / 2 ** exponent) * 1024);
  return (value < 0 ? 0x8000 : 0) + (exponent + 14) * 1024 + fraction;
}
