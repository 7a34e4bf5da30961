/**
 * Directories of outside models: what of their settings and tensors is understood, and what is refused by name and
 * value because it would make another model of them.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { tensorSource } from "../../src/checkpoint/index.ts";
import { openSafetensors, writeSafetensors } from "../../src/checkpoint/node/index.ts";
import { FormatError, InvalidConfigError, loadModel, type Model } from "../../src/index.ts";
import { referenceBackend } from "../../src/tensor/index.ts";

const families = fileURLToPath(new URL("../golden/families", import.meta.url));
const ids = [1, 5, 7, 9, 30, 12];
let root = "";
let count = 0;
before(async () => {
  root = await mkdtemp(join(tmpdir(), "engram-outside-"));
});
after(() => rm(root, { recursive: true, force: true }));

type Json = Record<string, unknown>;

async function copyOf(family: string): Promise<string> {
  const directory = join(root, `copy-${count++}`);
  await cp(join(families, family), directory, { recursive: true });
  return directory;
}

async function edit(directory: string, file: string, change: (json: Json) => void): Promise<void> {
  const path = join(directory, file);
  const json = JSON.parse(await readFile(path, "utf8")) as Json;
  change(json);
  await writeFile(path, JSON.stringify(json));
}

async function withConfig(family: string, changes: Json): Promise<string> {
  const directory = await copyOf(family);
  await edit(directory, "config.json", (json) => Object.assign(json, changes));
  return directory;
}

/** Rewrites the weights: `change` gives each tensor its names, none to leave it out. */
async function renamed(
  directory: string,
  change: (name: string) => readonly string[],
  { metadata = {}, spoil = "" }: { metadata?: Record<string, string>; spoil?: string } = {},
): Promise<void> {
  const path = join(directory, "model.safetensors");
  const sources = [];
  {
    await using file = await openSafetensors(path);
    for (const span of file.tensors.values())
      for (const name of change(span.name)) {
        const bytes = await file.read(span.name);
        if (name === spoil) bytes[0]! ^= 1;
        sources.push(tensorSource({ ...span, name }, bytes));
      }
  }
  await writeSafetensors(path, sources, { format: "pt", ...metadata });
}

function open(directory: string): Promise<Model> {
  return loadModel(directory, { backend: referenceBackend });
}

/** What `engram show` says that its files hold. */
async function bytesShown(directory: string): Promise<number> {
  const words = ["src/cli/main.ts", "show", directory, "--json"];
  const cwd = fileURLToPath(new URL("../..", import.meta.url));
  const said = execFileSync(process.execPath, words, { cwd, encoding: "utf8" });
  const { files } = JSON.parse(said) as { files: { bytes: number }[] };
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}

async function logitsOf(directory: string): Promise<Float32Array> {
  await using model = await open(directory);
  return (await model.createSession().append(ids)).logits;
}

const refused: readonly (readonly [family: string, changes: Json, message: RegExp])[] = [
  ["llama", { hidden_act: "gelu" }, /"hidden_act": "gelu" \(computed here as "silu" or "swish"\)/],
  ["llama", { model_type: "phi3" }, /"model_type": "phi3" is no family .* llama, mistral, qwen2/],
  ["llama", { num_local_experts: 8 }, /"num_local_experts": 8 \(not known here\)/],
  [
    "llama",
    { rope_parameters: { rope_type: "yarn", factor: 4 } },
    /"rope_parameters": .*"yarn".*default, linear, llama3/,
  ],
  [
    "llama",
    { rope_parameters: null, rope_scaling: { type: "dynamic", factor: 2 } },
    /"rope_scaling": .*"dynamic"/,
  ],
  [
    "llama",
    { rope_parameters: { rope_type: "linear", factor: 2, beta_fast: 3 } },
    /"beta_fast": 3/,
  ],
  [
    "llama",
    { rope_parameters: { rope_type: "linear", type: "llama3", factor: 2 } },
    /"rope_parameters"/,
  ],
  ["llama", { rope_parameters: { rope_type: "toString" } }, /"rope_parameters": .*"toString"/],
  ["llama", { rope_theta: 5 }, /"rope_theta" is 5, and 10000 in "rope_parameters"/],
  [
    "llama3",
    {
      rope_parameters: {
        rope_type: "llama3",
        factor: 8,
        low_freq_factor: 4,
        high_freq_factor: 1,
        original_max_position_embeddings: 16,
      },
    },
    /"high_freq_factor" 1 must be above "low_freq_factor" 4/,
  ],
  ["llama", { partial_rotary_factor: 0.5 }, /"partial_rotary_factor": 0\.5 \(computed here as 1\)/],
  ["llama", { pretraining_tp: 2 }, /"pretraining_tp": 2/],
  ["llama", { num_hidden_layers: 1e9 }, /num_hidden_layers 1000000000, the weights are those of 2/],
  ["mistral", { sliding_window: 0 }, /"sliding_window" must be a whole number/],
  ["qwen2", { use_sliding_window: true, sliding_window: 8 }, /"use_sliding_window": true/],
  [
    "qwen2",
    { layer_types: ["full_attention", "sliding_attention"] },
    /"layer_types": .*sliding_attention/,
  ],
  ["qwen3", { attention_bias: true }, /q_proj\.bias" is missing/],
  [
    "gpt2",
    { activation_function: "relu" },
    /"activation_function": "relu" \(computed here as "gelu_new"/,
  ],
  ["gpt2", { scale_attn_by_inverse_layer_idx: true }, /"scale_attn_by_inverse_layer_idx": true/],
  ["gpt2", { n_head: 3 }, /"n_embd \/ n_head" must be a whole number/],
  ["gpt2", { n_positions: 128 }, /"transformer\.wpe\.weight" should be \[128, 16\]/],
  ["gpt2", { tie_word_embeddings: false }, /"lm_head\.weight" is missing/],
  [
    "gpt_neox",
    { rope_parameters: { rope_type: "default", partial_rotary_factor: 2 } },
    /"partial_rotary_factor" must be a number of 0\.\.1/,
  ],
  [
    "gpt_neox",
    { rope_parameters: { rope_type: "default", partial_rotary_factor: 0.01 } },
    /head_dim must be even.* got 0 of 8/,
  ],
  [
    "gpt_neox",
    { tie_word_embeddings: true },
    /embed_in\.weight" and "embed_out\.weight" are not the same/,
  ],
];

for (const [family, changes, message] of refused)
  test(`${family} with ${JSON.stringify(changes).slice(0, 90)} is refused`, async () => {
    const directory = await withConfig(family, changes);
    await assert.rejects(open(directory), (error: unknown) => {
      assert.ok(error instanceof InvalidConfigError || error instanceof FormatError, String(error));
      assert.match(error.message, message);
      return true;
    });
  });

test("keys in the words of older versions mean the same", async () => {
  const old: readonly (readonly [string, Json])[] = [
    ["llama", { rope_parameters: undefined, rope_theta: 10_000, rope_scaling: null }],
    ["llama", { rope_parameters: undefined, torch_dtype: "float32", use_cache: false }],
    ["gpt_neox", { rope_parameters: undefined, rotary_pct: 0.5, rotary_emb_base: 10_000 }],
    ["gpt2", { n_ctx: 64, task_specific_params: { "text-generation": { do_sample: true } } }],
    ["llama-biased", { head_dim: undefined }],
    ["qwen2", { layer_types: undefined, sliding_window: 131_072 }],
  ];
  for (const [family, changes] of old)
    assert.deepEqual(
      await logitsOf(await withConfig(family, changes)),
      await logitsOf(join(families, family)),
      family,
    );
});

test("a tied weight may have either name, both, or one that __metadata__ tells", async () => {
  const expected = await logitsOf(join(families, "qwen2"));
  const embed = "model.embed_tokens.weight";
  const head = "lm_head.weight";
  const spelled = async (names: readonly string[], options = {}): Promise<string> => {
    const directory = await copyOf("qwen2");
    await renamed(directory, (name) => (name === embed ? names : [name]), options);
    return directory;
  };
  assert.deepEqual(await logitsOf(await spelled([head])), expected);
  assert.deepEqual(await logitsOf(await spelled([embed, head])), expected);
  const told = await spelled([embed], { metadata: { [head]: embed } });
  await edit(told, "config.json", (json) => (json["tie_word_embeddings"] = false));
  assert.deepEqual(await logitsOf(told), expected);
  assert.equal(await bytesShown(told), await bytesShown(join(families, "qwen2")));
  await assert.rejects(
    logitsOf(await spelled([embed, head], { spoil: head })),
    /tie_word_embeddings, but "model\.embed_tokens\.weight" and "lm_head\.weight" are not the same numbers/,
  );
});

test("names without what begins the backbone's, and buffers of old programs, are understood", async () => {
  for (const [family, prefix] of [
    ["gpt2", "transformer."],
    ["qwen2", "model."],
  ] as const) {
    const directory = await copyOf(family);
    await renamed(directory, (name) => [
      name.startsWith(prefix) ? name.slice(prefix.length) : name,
    ]);
    assert.deepEqual(await logitsOf(directory), await logitsOf(join(families, family)));
  }
  const directory = await copyOf("gpt2");
  const ln = "transformer.h.0.ln_1.bias";
  await renamed(directory, (name) => (name === ln ? [name, "transformer.h.0.attn.bias"] : [name]));
  assert.deepEqual(await logitsOf(directory), await logitsOf(join(families, "gpt2")));
  await renamed(directory, (name) =>
    name === ln ? [name, "transformer.h.0.attn.q.bias"] : [name],
  );
  await assert.rejects(open(directory), /uses "transformer\.h\.0\.attn\.q\.bias"/);
});

test("texts begin and end as tokenizer.json, config.json and generation_config.json say", async () => {
  const directory = await copyOf("llama");
  const boundsOf = async (): Promise<Model["tokenizer"]["bounds"]> => {
    await using model = await open(directory);
    return model.tokenizer.bounds;
  };
  assert.deepEqual(await boundsOf(), { startIds: [1], stopIds: [2], bosTokenId: 1 });
  await edit(directory, "generation_config.json", (json) => (json["eos_token_id"] = [2, 9]));
  assert.deepEqual((await boundsOf()).stopIds, [2, 9]);
  await edit(directory, "generation_config.json", (json) => delete json["eos_token_id"]);
  await edit(directory, "config.json", (json) => (json["eos_token_id"] = [7, 8]));
  assert.deepEqual((await boundsOf()).stopIds, [7, 8]);
  await edit(directory, "config.json", (json) => (json["eos_token_id"] = [7, 48]));
  await assert.rejects(
    boundsOf(),
    /"eos_token_id" must be an id of 0\.\.47 or a list of them, got \[7,48\]/,
  );
  await edit(directory, "config.json", (json) => (json["eos_token_id"] = [7, 8]));
  await edit(directory, "tokenizer.json", (json) => (json["post_processor"] = null));
  assert.deepEqual(await boundsOf(), { startIds: [], stopIds: [7, 8], bosTokenId: 1 });
  await edit(directory, "tokenizer.json", (json) => {
    const single = [{ SpecialToken: { id: "<s>" } }, { Sequence: { id: "A" } }];
    json["post_processor"] = {
      type: "TemplateProcessing",
      single,
      special_tokens: { "<s>": { ids: [99] } },
    };
  });
  await assert.rejects(
    boundsOf(),
    /post-processor of tokenizer\.json to name ids of its vocabulary, got 99/,
  );
});

test("what generation_config.json says of sampling is the default", async () => {
  const directory = await copyOf("llama");
  await edit(directory, "generation_config.json", (json) =>
    Object.assign(json, { do_sample: true, temperature: 0.6, top_p: 0.9, top_k: 20 }),
  );
  {
    await using model = await open(directory);
    assert.deepEqual(model.sampling, { temperature: 0.6, topP: 0.9, topK: 20 });
  }
  for (const [bad, message] of [
    [
      { temperature: "hot" },
      /generation_config\.json: expected numbers, got \{"temperature":"hot"\}/,
    ],
    [{ top_p: 7 }, /generation_config\.json: topP must lie in 0\.\.1, got 7/],
  ] as const) {
    const other = await copyOf("llama");
    await edit(other, "generation_config.json", (json) => Object.assign(json, bad));
    await assert.rejects(open(other), message);
  }
});

test("a vocabulary may be rounded up, and ids without a token stand for no text", async () => {
  await using model = await open(join(families, "gpt2"));
  assert.equal(model.tokenizer.vocabSize, 48);
  assert.equal(model.tokenizer.decode([5, 47, 6]), model.tokenizer.decode([5, 6]));
  const directory = await copyOf("gpt2");
  await edit(directory, "tokenizer.json", (json) => {
    const vocab = (json["model"] as Json)["vocab"] as Json;
    for (let id = 44; id < 60; id++) vocab[`more ${id}`] = id;
  });
  await assert.rejects(
    open(directory),
    /config\.json says vocab_size 48, tokenizer\.json has 60 tokens/,
  );
});

test("a folder of the Hub's cache stands for the revision that refs/main names", async () => {
  const folder = join(root, "models--owner--llama");
  const [commit, other] = ["a".repeat(40), "b".repeat(40)];
  await mkdir(join(folder, "refs"), { recursive: true });
  for (const directory of ["blobs", `snapshots/${commit}`])
    await mkdir(join(folder, directory), { recursive: true });
  for (const [i, file] of (await readdir(join(families, "llama"))).entries()) {
    await cp(join(families, "llama", file), join(folder, "blobs", `sum${i}`));
    await symlink(join("..", "..", "blobs", `sum${i}`), join(folder, "snapshots", commit, file));
  }
  const expected = await logitsOf(join(families, "llama"));
  assert.deepEqual(await logitsOf(folder), expected);
  assert.deepEqual(await logitsOf(join(folder, "snapshots", commit)), expected);
  await mkdir(join(folder, "snapshots", other));
  await assert.rejects(
    logitsOf(folder),
    /a revision that refs\/main names.* no refs\/main and 2 of them/,
  );
  await writeFile(join(folder, "refs", "main"), commit);
  assert.deepEqual(await logitsOf(folder), expected);
  await writeFile(join(folder, "refs", "main"), "../../elsewhere");
  await assert.rejects(logitsOf(folder), /refs\/main names/);
  await rename(join(folder, "snapshots"), join(folder, "lost"));
  await assert.rejects(logitsOf(folder), /expected a model directory/);
});
