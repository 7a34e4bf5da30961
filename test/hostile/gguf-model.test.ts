/** GGUF files whose headers are sound and which are no model that can be computed: each gets an error that says why. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { FormatError, InvalidConfigError, NonFiniteError } from "../../src/errors.ts";
import { loadModel } from "../../src/index.ts";
import { parseGguf } from "../../src/checkpoint/index.ts";
import { referenceBackend } from "../../src/tensor/index.ts";
import {
  f32,
  ggufBytes,
  type GgufTensorToWrite,
  type GgufToWrite,
  type Setting,
} from "../models/write-gguf.ts";

let root = "";
before(async () => void (root = await mkdtemp(join(tmpdir(), "engram-gguf-"))));
after(() => rm(root, { recursive: true, force: true }));

const golden = fileURLToPath(new URL("../golden/families-gguf/llama.gguf", import.meta.url));

const settings: Record<string, Setting> = {
  "general.architecture": ["text", "llama"],
  "general.name": ["text", "anything"],
  "llama.block_count": ["u32", 1],
  "llama.context_length": ["u32", 16],
  "llama.embedding_length": ["u32", 4],
  "llama.feed_forward_length": ["u32", 4],
  "llama.attention.head_count": ["u32", 1],
  "llama.attention.layer_norm_rms_epsilon": ["f32", 1e-5],
  "tokenizer.ggml.model": ["text", "llama"],
  "tokenizer.ggml.tokens": ["texts", ["<unk>", "<s>", "</s>", "a"]],
  "tokenizer.ggml.scores": ["f32s", [0, 0, 0, 0]],
  "tokenizer.ggml.token_type": ["i32s", [2, 3, 3, 1]],
  "tokenizer.ggml.bos_token_id": ["u32", 1],
  "tokenizer.ggml.eos_token_id": ["u32", 2],
};

const matrix = (name: string): GgufTensorToWrite => {
  return {
    name,
    sides: [4, 4],
    type: 0,
    bytes: f32(...Array.from({ length: 16 }, (_, i) => i / 16)),
  };
};
const row = (name: string): GgufTensorToWrite => {
  return { name, sides: [4], type: 0, bytes: f32(1, 1, 1, 1) };
};
const tensors: readonly GgufTensorToWrite[] = [
  matrix("token_embd.weight"),
  row("blk.0.attn_norm.weight"),
  ...["attn_q", "attn_k", "attn_v", "attn_output"].map((name) => matrix(`blk.0.${name}.weight`)),
  row("blk.0.ffn_norm.weight"),
  ...["ffn_gate", "ffn_up", "ffn_down"].map((name) => matrix(`blk.0.${name}.weight`)),
  row("output_norm.weight"),
];

const open = (path: string): Promise<unknown> =>
  loadModel(path, { backend: referenceBackend }).then((model) => model.close());

async function written(name: string, file: GgufToWrite): Promise<string> {
  const path = join(root, `${name.replaceAll(/\W+/g, "-")}.gguf`);
  await writeFile(path, ggufBytes(file));
  return path;
}

test("the model that the others are made of can be opened", async () => {
  await open(await written("sound", { settings, tensors }));
});

const withSettings = (more: Record<string, Setting>): GgufToWrite => {
  return { settings: { ...settings, ...more }, tensors };
};
const without = (name: string): GgufToWrite => {
  return { settings, tensors: tensors.filter((one) => one.name !== name) };
};
const and = (...more: GgufTensorToWrite[]): GgufToWrite => {
  return { settings, tensors: [...tensors, ...more] };
};
const instead = (tensor: GgufTensorToWrite): GgufToWrite => {
  return { settings, tensors: tensors.map((one) => (one.name === tensor.name ? tensor : one)) };
};

const refused: Readonly<Record<string, readonly [GgufToWrite, typeof FormatError, RegExp]>> = {
  "an unknown architecture": [
    withSettings({ "general.architecture": ["text", "mamba"] }),
    InvalidConfigError,
    /"mamba" cannot be computed here; those that can are llama, qwen2, qwen3, gpt2, gptneox/,
  ],
  "no architecture": [
    { settings: { "general.name": ["text", "x"] }, tensors },
    InvalidConfigError,
    /general.architecture: none cannot be computed/,
  ],
  "a setting of the architecture that is not known": [
    withSettings({ "llama.attention.sliding_window": ["u32", 8] }),
    InvalidConfigError,
    /"llama.attention.sliding_window": 8 is not known here/,
  ],
  experts: [
    withSettings({ "llama.expert_count": ["u32", 8] }),
    InvalidConfigError,
    /"llama.expert_count": 8 is computed here as 0/,
  ],
  "a scaling of positions that is not known": [
    withSettings({ "llama.rope.scaling.type": ["text", "yarn"] }),
    InvalidConfigError,
    /"llama.rope.scaling.type": yarn is computed here as none or linear/,
  ],
  "one of several files": [
    withSettings({ "split.count": ["u32", 3] }),
    FormatError,
    /says that it is part 1 of 3, its name that it is part 1 of 1: parts are named NAME-00001-of/,
  ],
  "heads that differ from layer to layer": [
    withSettings({ "llama.attention.head_count": ["i32s", [1, 2]] }),
    InvalidConfigError,
    /head_count differs from layer to layer/,
  ],
  "heads of another width than the rotation": [
    withSettings({ "llama.rope.dimension_count": ["u32", 2] }),
    InvalidConfigError,
    /llama.rope.dimension_count is 2, it is computed here as 4/,
  ],
  "a size that is no size": [
    withSettings({ "llama.embedding_length": ["text", "four"] }),
    InvalidConfigError,
    /llama.embedding_length must be a whole number of 1 or more, got "four"/,
  ],
  "no heads": [
    withSettings({ "llama.attention.head_count": ["u32", 0] }),
    InvalidConfigError,
    /llama.attention.head_count must be a whole number of 1 or more, got 0/,
  ],
  "fewer layers than it says": [
    withSettings({ "llama.block_count": ["u32", 2] }),
    InvalidConfigError,
    /num_hidden_layers 2, the weights are those of 1/,
  ],
  "frequencies that are not Llama 3's": [
    and({ name: "rope_freqs.weight", sides: [2], type: 0, bytes: f32(1, 7) }),
    InvalidConfigError,
    /rope_freqs.weight holds divisors .* not Llama 3's/,
  ],
  "no embedding": [without("token_embd.weight"), FormatError, /has no tensor token_embd.weight/],
  "a weight that is missing": [
    without("blk.0.ffn_up.weight"),
    FormatError,
    /"model.layers.0.mlp.up_proj.weight" is missing/,
  ],
  "a tensor that no part uses": [
    and(matrix("blk.0.ffn_up_exps.weight")),
    FormatError,
    /uses "blk.0.ffn_up_exps.weight"/,
  ],
  "a tensor of another shape": [
    instead({
      name: "blk.0.ffn_up.weight",
      sides: [4, 2],
      type: 0,
      bytes: f32(1, 2, 3, 4, 5, 6, 7, 8),
    }),
    FormatError,
    /up_proj.weight" should be \[4, 4\] by config.json, it is \[2, 4\]/,
  ],
  "queries that cannot be in pairs": [
    instead({
      name: "blk.0.attn_q.weight",
      sides: [4, 3],
      type: 0,
      bytes: new Uint8Array(4 * 12),
    }),
    FormatError,
    /"blk.0.attn_q.weight" has 3 rows, which is no multiple of 2/,
  ],
  "a fused tensor beside its parts": [
    and({
      name: "blk.0.attn_qkv.weight",
      sides: [4, 12],
      type: 0,
      bytes: new Uint8Array(4 * 48),
    }),
    FormatError,
    /two tensors stand for "model.layers.0.self_attn.q_proj.weight"/,
  ],
  "a weight that is not a number": [
    instead({
      name: "blk.0.attn_norm.weight",
      sides: [4],
      type: 0,
      bytes: f32(1, Number.NaN, 1, 1),
    }),
    NonFiniteError,
    /"model.layers.0.input_layernorm.weight" holds NaN at \[1\]/,
  ],
  "tokens of another vocabulary": [
    withSettings({ "tokenizer.ggml.tokens": ["texts", ["a"]] }),
    FormatError,
    /token_type should be 1 whole numbers/,
  ],
};

for (const [what, [file, kind, expected]] of Object.entries(refused))
  test(`${what}: refused, and named`, async () => {
    const path = await written(what, file);
    await assert.rejects(open(path), (error: unknown) => {
      assert.ok(error instanceof kind, String(error));
      assert.match(error.message, expected);
      assert.ok(error.message.includes(path), `${error.message} names the file`);
      return true;
    });
  });

test("a file cut anywhere is refused, and never half a model", async () => {
  const bytes = await readFile(golden);
  const { tensors: spans } = parseGguf(bytes, bytes.length)!;
  const end = Math.max(...[...spans.values()].map((one) => one.end));
  for (const length of [0, 3, 20, 500, 2000, end >> 1, end - 1]) {
    const path = join(root, `cut-${length}.gguf`);
    await writeFile(path, bytes.subarray(0, length));
    await assert.rejects(open(path), (error: unknown) => {
      assert.ok(error instanceof FormatError, String(error));
      assert.match(error.message, /cut short/);
      return true;
    });
  }
});

test("a directory with one GGUF file is that model; with several, one has to be named", async () => {
  const directory = join(root, "directory");
  await mkdir(directory);
  await writeFile(join(directory, "README.md"), "a card");
  await assert.rejects(open(directory), /expected a model directory, it has no config.json/);
  await writeFile(join(directory, "one.gguf"), await readFile(golden));
  await open(directory);
  await writeFile(join(directory, "two.gguf"), await readFile(golden));
  await assert.rejects(
    open(directory),
    /no config.json, but 2 GGUF models; name one: one.gguf, two.gguf/,
  );
});

test("what is no file and no directory, and what is another file, is said", async () => {
  await assert.rejects(
    open(join(root, "nothing.gguf")),
    /nothing.gguf: expected a model directory or a .gguf file, there is nothing/,
  );
  const zip = join(root, "zip.gguf");
  await writeFile(zip, "PK\x03\x04 and more");
  await assert.rejects(open(zip), /zip.gguf is a ZIP archive, expected a GGUF file; unpack it/);
});
