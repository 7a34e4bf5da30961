/**
 * Settings and weights that would make a model another one: each is computed, or changes nothing, or is refused by name
 * and value. Numbers that no weights have are refused before anything is built from them.
 */
import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import test, { after, before } from "node:test";
import { tensorSource } from "../../src/checkpoint/index.ts";
import { openSafetensors, writeSafetensors } from "../../src/checkpoint/node/index.ts";
import { FormatError, InvalidConfigError, loadModel } from "../../src/index.ts";
import { saveModel } from "../../src/index-training.ts";
import { commands } from "../../src/cli/registry.ts";
import { runCli } from "../../src/cli/run-cli.ts";
import { referenceBackend } from "../../src/tensor/index.ts";
import { modelToSave } from "../models/model-to-save.ts";

let root = "";
let count = 0;
before(async () => {
  root = await mkdtemp(join(tmpdir(), "engram-closed-"));
  await saveModel(join(root, "model"), await modelToSave());
  await saveModel(join(root, "plain"), await modelToSave({ hasMemory: false }));
  await saveModel(
    join(root, "untied"),
    await modelToSave({ tieEmbeddings: false, engramKernelSize: 4 }),
  );
});
after(() => rm(root, { recursive: true, force: true }));

type Edit = (directory: string) => Promise<void>;

async function edited(of: string, edit: Edit): Promise<string> {
  const directory = join(root, `copy-${count++}`);
  await cp(join(root, of), directory, { recursive: true });
  await edit(directory);
  // A stranger's model has sums of what it holds, or none.
  await rm(join(directory, "manifest.json"), { force: true });
  return directory;
}

const config =
  (changes: object): Edit =>
  async (directory) => {
    const file = join(directory, "config.json");
    const json = JSON.parse(await readFile(file, "utf8")) as object;
    // What JavaScript cannot hold is spelled out.
    const text = JSON.stringify({ ...json, ...changes }).replaceAll('"1e400"', "1e400");
    await writeFile(file, text);
  };

/** Adds tensors of four numbers to a file, and to the index if it lists the file. */
const tensors =
  (names: readonly string[], file = "model.safetensors"): Edit =>
  async (directory) => {
    const path = join(directory, file);
    const sources = [];
    {
      await using old = await openSafetensors(path);
      for (const span of old.tensors.values())
        sources.push(tensorSource(span, await old.read(span.name)));
    }
    for (const name of names)
      sources.push(tensorSource({ name, dtype: "F32", shape: [4] }, new Float32Array(4)));
    await writeSafetensors(path, sources, { format: "pt" });
    const indexPath = join(directory, "model.safetensors.index.json");
    const index = JSON.parse(await readFile(indexPath, "utf8").catch(() => "null")) as {
      weight_map: Record<string, string>;
    } | null;
    if (index === null) return;
    for (const name of names) index.weight_map[name] = file;
    await writeFile(indexPath, JSON.stringify(index));
  };

async function load(directory: string, options: { memory?: boolean } = {}): Promise<Float32Array> {
  await using model = await loadModel(directory, { backend: referenceBackend(), ...options });
  return (await model.createSession().append([1, 5, 7])).logits;
}

const refusedKeys: readonly (readonly [changes: object, message: RegExp])[] = [
  // Those of the issue.
  [
    { rope_scaling: { rope_type: "linear", factor: 2 } },
    /"rope_scaling": \{"rope_type":"linear","factor":2\} \(computed here as null or/,
  ],
  [{ attention_bias: true }, /"attention_bias": true \(computed here as false\)/],
  [{ hidden_act: "gelu" }, /"hidden_act": "gelu" \(computed here as "silu" or "swish"\)/],
  [{ model_type: "bert" }, /"model_type": "bert" is no family .* engram, llama, mistral, qwen2/],
  [{ model_type: "gpt2" }, /"architectures": \["EngramForCausalLM"\] .*"hidden_size": \d+ \(not/],
  // Their siblings.
  [{ model_type: undefined }, /"model_type": none is no family that can be computed here/],
  [{ architectures: ["LlamaForCausalLM"] }, /"architectures": \["LlamaForCausalLM"\]/],
  [{ rope_parameters: { rope_theta: 5 } }, /"rope_parameters": .* \(not known here\)/],
  [
    { mlp_bias: true, sliding_window: 128, final_logit_softcapping: 30 },
    /"mlp_bias": true .*"sliding_window": 128 .*"final_logit_softcapping": 30/,
  ],
  [{ partial_rotary_factor: 0.5 }, /"partial_rotary_factor": 0\.5/],
  [{ num_experts: 8 }, /"num_experts": 8 \(not known here\)/],
  [{ hidden_Act: "gelu" }, /"hidden_Act": "gelu" \(not known here\)/],
  [{ toString: 1, ["__proto__"]: 2 }, /"toString": 1 .*"__proto__": 2/],
  [{ text_config: { engram_layer_ids: [0] } }, /under "text_config": remove either/],
  [{ engram_window: 3 }, /"engram_window": 3 is not known here/],
  [{ engram_scale: null }, /"engram_scale": null is not known here/],
  [{ tie_word_embeddings: "yes" }, /"tie_word_embeddings" must be true or false, got "yes"/],
  [{ eos_token_id: 3 }, /eos_token_id 3, but documents begin and end with \d+/],
  [{ bos_token_id: [1, 2] }, /bos_token_id \[1,2\]/],
  [
    { quantization_config: { quant_method: "gptq", bits: 4 } },
    /"quantization_config" should be compressed-tensors/,
  ],
  // Numbers.
  [{ num_hidden_layers: 1e9 }, /num_hidden_layers 1000000000, the weights are those of 2/],
  [
    { num_hidden_layers: 1 },
    /num_hidden_layers 1, the weights are those of 2|engram_layer_ids names layer 1/,
  ],
  [{ rope_theta: "1e400" }, /"rope_theta" must be a number of 1\.\.3\.4e\+38, got Infinity/],
  [{ rope_theta: 0 }, /"rope_theta" must be/],
  [{ rms_norm_eps: 1e-46 }, /"rms_norm_eps" must be a number of/],
  [{ rms_norm_eps: "1e400" }, /"rms_norm_eps" must be .* got Infinity/],
  [{ rope_scaling: "1e400" }, /"rope_scaling": Infinity \(computed here as null/],
  [{ document_start_token_id: "1e400" }, /"document_start_token_id" must be .* got Infinity/],
  [{ hidden_size: 32.5 }, /"hidden_size" must be a whole number .* got 32\.5/],
  [{ hidden_size: 2 ** 31 - 1 }, /should be \[\d+, 2147483647\] by config\.json/],
  [{ head_dim: -8 }, /"head_dim" must be a whole number/],
  [{ vocab_size: 1e15 }, /"vocab_size" must be a whole number/],
  [{ intermediate_size: null }, /"intermediate_size" must be .* got null/],
  [{ max_position_embeddings: "1e400" }, /"max_position_embeddings" must be/],
  [
    { num_key_value_heads: 1e6, num_attention_heads: 1e6 },
    /should be \[8000000, 32\] by config\.json/,
  ],
  [{ engram_n_heads: 2 ** 31 - 1 }, /asks for 4294967294 buckets .* limit is 16384/],
  [{ engram_layer_ids: Array.from({ length: 5000 }, (_, i) => i) }, /asks for 20000 buckets/],
  [
    { engram_max_ngram_size: 64, engram_vocab_size: 31, engram_n_heads: 320 },
    /asks for 20160 buckets/,
  ],
  [
    { engram_head_dim: 2 ** 31 - 1, engram_num_embeddings: undefined },
    /should be .* by config\.json/,
  ],
  [{ engram_kernel_size: 2 ** 30 }, /"model\.layers\.1\.engram\.short_conv/],
  [{ engram_kernel_size: -1 }, /"engram_kernel_size" must be a whole number/],
  [{ engram_gate: 0 }, /"engram_gate" must be a number of 0.001..1, got 0/],
  [{ engram_gate: 1.5 }, /"engram_gate" must be a number of 0.001..1, got 1.5/],
  [{ engram_gate: "half" }, /"engram_gate" must be a number/],
];

for (const [changes, message] of refusedKeys)
  test(`refused: ${JSON.stringify(changes).slice(0, 80)}`, async () => {
    const directory = await edited("model", config(changes));
    for (const read of [() => load(directory), () => load(directory, { memory: false })])
      await assert.rejects(read(), (error: unknown) => {
        assert.ok(
          error instanceof InvalidConfigError || error instanceof FormatError,
          String(error),
        );
        assert.match(error.message, message);
        return true;
      });
  });

test("settings that say what is computed, or nothing, change no logit", async () => {
  const expected = await load(join(root, "model"));
  for (const changes of [
    { hidden_act: "silu", attention_bias: false, mlp_bias: false, rope_scaling: null },
    { rope_scaling: { rope_type: "default" }, partial_rotary_factor: 1, sliding_window: null },
    { transformers_version: "5.0.0", torch_dtype: "float32", use_cache: true, pad_token_id: 0 },
    { quantization_config: null, engram_kernel_size: 0, eos_token_id: null },
  ])
    assert.deepEqual(await load(await edited("model", config(changes))), expected);
});

test("a model without a memory may say how many taps its convolution would have", async () => {
  const plain = join(root, "plain");
  assert.deepEqual(
    await load(await edited("plain", config({ engram_kernel_size: 3 }))),
    await load(plain),
  );
});

test("a memory without its layers is refused, not left out", async () => {
  for (const changes of [{ engram_layer_ids: undefined }, { engram_layer_ids: null }])
    await assert.rejects(load(await edited("model", config(changes))), /lacks "engram_layer_ids"/);
  const without = await edited("model", async (directory) => {
    const file = join(directory, "config.json");
    const json = JSON.parse(await readFile(file, "utf8")) as Record<string, unknown>;
    const rest = Object.entries(json).filter(([key]) => !key.startsWith("engram_"));
    await writeFile(file, JSON.stringify(Object.fromEntries(rest)));
  });
  await assert.rejects(
    load(without),
    /uses "model\.layers\.1\.engram\.[^"]+" \(model[^)]*\.safetensors\), .* and \d+ more tensors|uses "model\.layers\.1\.engram/,
  );
});

const bias = "model.layers.0.self_attn.q_proj.bias";
for (const [of, names] of [
  ["model", [bias]],
  ["plain", [bias]],
  ["plain", ["model.layers.1.engram.embed.weight"]],
  ["model", ["lm_head.weight"]],
  ["model", ["model.layers.1.engram.embed.scale"]],
  ["model", ["model.layers.0.engram.counts"]],
  ["model", ["model.layers.1.mlp.up_proj.weight_packed"]],
  ["model", ["model.layers.1.self_attn.rotary_emb.inv_freqs"]],
  ["model", ["model.layers.01.mlp.up_proj.weight"]],
  ["model", [bias, "model.layers.0.self_attn.k_proj.bias"]],
] as const)
  test(`in ${of}, the extra ${names.join(" and ")} is refused by name`, async () => {
    const directory = await edited(of, tensors(names));
    await assert.rejects(load(directory), (error: unknown) => {
      assert.ok(error instanceof FormatError || error instanceof InvalidConfigError, String(error));
      for (const name of names)
        assert.ok(
          error.message.includes(name) || /weights are those of 3/.test(error.message),
          error.message,
        );
      return true;
    });
  });

test("a tensor that a file has and the index does not name is refused", async () => {
  const directory = await edited("model", tensors([bias]));
  const index = join(directory, "model.safetensors.index.json");
  const text = await readFile(index, "utf8");
  await writeFile(
    index,
    text.replace(/"model\.layers\.0\.self_attn\.q_proj\.bias":"[^"]*",?/, "").replace(",}", "}"),
  );
  await assert.rejects(load(directory), /holds tensor ".*q_proj\.bias", .* says it is in no file/);
});

test("buffers that old programs wrote beside the weights change nothing", async () => {
  const names = ["model.layers.0.self_attn.rotary_emb.inv_freq", "model.rotary_emb.inv_freq"];
  assert.deepEqual(
    await load(await edited("model", tensors(names))),
    await load(join(root, "model")),
  );
});

test("an untied head and a convolution are held against config.json, too", async () => {
  await load(join(root, "untied"));
  for (const [changes, message] of [
    [{ tie_word_embeddings: true }, /uses "lm_head\.weight"/],
    [{ engram_kernel_size: undefined }, /uses "model\.layers\.1\.engram\.short_conv/],
    [{ engram_kernel_size: 3 }, /short_conv\.conv\.weight" should be \[32, 1, 3\]/],
    // A model whose gate is computed is not opened as one whose gate is not, and the other way about.
    [{ engram_gate: 0.5 }, /"model\.layers\.1\.engram\.wv\.weight" is missing/],
  ] as const)
    await assert.rejects(load(await edited("untied", config(changes))), message);
});

test("without its memory a model opens where the table's file is not there", async () => {
  const directory = await edited("model", (d) =>
    unlink(join(d, "model-engram-00001-of-00001.safetensors")),
  );
  assert.equal((await load(directory, { memory: false })).length > 0, true);
  await assert.rejects(load(directory), /model-engram-00001-of-00001\.safetensors is missing/);
});

test("every command that opens a model refuses alike", async () => {
  const directory = await edited(
    "model",
    config({ num_hidden_layers: 1e9, rope_scaling: { type: "yarn" } }),
  );
  for (const words of [
    ["show", directory],
    ["generate", directory, "--prompt", "the"],
    ["eval", directory, "--bpb", join(directory, "config.json")],
    ["doctor", directory],
  ]) {
    let output = "";
    const status = await runCli([...words, "--json"], {
      commands,
      stdin: Readable.from([]),
      stdout: { write: (text) => void (output += text) },
      stderr: { isTTY: false, write: () => true },
      env: {},
      signal: new AbortController().signal,
      terminal: { isInteractive: false, openBrowser: () => undefined },
    });
    assert.equal(status, 2, output);
    assert.match(output, /rope_scaling/);
  }
});
