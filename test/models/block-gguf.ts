/** A tiny Llama as a GGUF file whose matrices rest in blocks of Q4_1, with numbers that a formula gives. */
import { f32, ggufBytes, type GgufTensorToWrite, type Setting } from "./write-gguf.ts";

const WIDTH = 32;
const LAYERS = 2;
const letters = [..."abcdefghijklmnopqrstuvwxyz,;.▁"];
const tokens = ["<unk>", "<s>", "</s>", ...letters];

const settings: Record<string, Setting> = {
  "general.architecture": ["text", "llama"],
  "llama.block_count": ["u32", LAYERS],
  "llama.context_length": ["u32", 64],
  "llama.embedding_length": ["u32", WIDTH],
  "llama.feed_forward_length": ["u32", WIDTH],
  "llama.attention.head_count": ["u32", 2],
  "llama.attention.layer_norm_rms_epsilon": ["f32", 1e-5],
  "tokenizer.ggml.model": ["text", "llama"],
  "tokenizer.ggml.tokens": ["texts", tokens],
  "tokenizer.ggml.scores": ["f32s", tokens.map(() => 0)],
  "tokenizer.ggml.token_type": ["i32s", tokens.map((_, id) => [2, 3, 3][id] ?? 1)],
  "tokenizer.ggml.bos_token_id": ["u32", 1],
  "tokenizer.ggml.eos_token_id": ["u32", 2],
};

/** Each block: a scale and an offset in half precision (1/16 and -1/2, a little more or less), and 32 codes of 4 bits. */
function matrix(name: string, rows: number): GgufTensorToWrite {
  const bytes = new Uint8Array(rows * (WIDTH / 32) * 20);
  const view = new DataView(bytes.buffer);
  for (let block = 0; block < bytes.length / 20; block++) {
    view.setUint16(20 * block, 0x2c00 + ((37 * block + name.length) % 256), true);
    view.setUint16(20 * block + 2, 0xb800 - ((11 * block) % 64), true);
    for (let i = 0; i < 16; i++) bytes[20 * block + 4 + i] = (71 * block + 29 * i * i + i) % 256;
  }
  return { name, sides: [WIDTH, rows], type: 3, bytes };
}

function gain(name: string): GgufTensorToWrite {
  return { name, sides: [WIDTH], type: 0, bytes: f32(...Array.from({ length: WIDTH }, () => 1)) };
}

export function blockGguf(): Uint8Array {
  const layers = Array.from({ length: LAYERS }, (_, layer) => [
    gain(`blk.${layer}.attn_norm.weight`),
    gain(`blk.${layer}.ffn_norm.weight`),
    ...["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"].map((name) =>
      matrix(`blk.${layer}.${name}.weight`, WIDTH),
    ),
  ]);
  const tensors = [
    matrix("token_embd.weight", tokens.length),
    gain("output_norm.weight"),
    ...layers.flat(),
  ];
  return ggufBytes({ settings, tensors });
}
