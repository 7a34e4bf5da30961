/**
 * minGPT's "gpt-nano" that sorts A, B and C (bbycroft/llm-viz, MIT): its weights, JSON with base64 of float32, as a
 * directory of the family gpt2; and PyTorch's activations after every operation.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { tensorSource } from "../../src/checkpoint/index.ts";
import { writeSafetensors } from "../../src/checkpoint/node/index.ts";

export interface Numbers {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

interface Packed {
  readonly shape: number[];
  readonly data: string;
}

function unpacked({ shape, data }: Packed): Numbers {
  const bytes = Uint8Array.from(Buffer.from(data, "base64"));
  return { shape, data: new Float32Array(bytes.buffer) };
}

async function tensorsOf(path: string): Promise<Map<string, Numbers>> {
  const json = JSON.parse(await readFile(path, "utf8")) as Record<string, Packed>;
  const tensors = Object.entries(json).filter(([, value]) => typeof value.data === "string");
  return new Map(tensors.map(([name, value]) => [name, unpacked(value)]));
}

/** Activations by name, for three texts of eleven ids. */
export function activationsOf(folder: string): Promise<Map<string, Numbers>> {
  return tensorsOf(join(folder, "gpt-nano-sort-t0-partials.json"));
}

/** The matrices of GPT-2's layers rest as [in, out]; PyTorch's linear layers are the other way round. */
const turned = /\.(c_attn|c_proj|c_fc)\.weight$/;

/** Writes the model into `directory`. */
export async function writeNanoSort(folder: string, directory: string): Promise<void> {
  const weights = await tensorsOf(join(folder, "gpt-nano-sort-model.json"));
  const sources = [...weights].map(([name, { shape, data }]) => {
    if (!turned.test(name)) return tensorSource({ name, dtype: "F32", shape }, data);
    const [rows, columns] = shape as [number, number];
    const values = Float32Array.from(
      data,
      (_, i) => data[(i % rows) * columns + Math.floor(i / rows)]!,
    );
    return tensorSource({ name, dtype: "F32", shape: [columns, rows] }, values);
  });
  await writeSafetensors(join(directory, "model.safetensors"), sources, { format: "pt" });
  const config = {
    model_type: "gpt2",
    architectures: ["GPT2LMHeadModel"],
    vocab_size: 3,
    n_embd: 48,
    n_layer: 3,
    n_head: 3,
    n_positions: 11,
    tie_word_embeddings: false,
  };
  await writeFile(join(directory, "config.json"), JSON.stringify(config));
  const tokenizer = { model: { type: "BPE", vocab: { A: 0, B: 1, C: 2 }, merges: [] } };
  await writeFile(join(directory, "tokenizer.json"), JSON.stringify(tokenizer));
}
