/**
 * The tiny models of `families.test.ts` as GGUF files, with llama.cpp's names and order of rows
 * (reference/make_family_gguf.py): the same configuration, and the same logits to the last bit.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { loadModel } from "../../src/index.ts";
import type { ModelConfig } from "../../src/model/index.ts";
import { referenceBackend } from "../../src/tensor/index.ts";

const golden = fileURLToPath(new URL("../golden", import.meta.url));
const files = readdirSync(join(golden, "families-gguf"));

/** The format has constants as 32-bit floats. */
function inSingle(config: ModelConfig): ModelConfig {
  return { ...config, rmsNormEps: Math.fround(config.rmsNormEps) };
}

test("there is a file of every architecture", () => {
  assert.deepEqual(
    files.toSorted(),
    ["gpt2", "gpt_neox", "llama", "qwen2", "qwen3"].map((name) => `${name}.gguf`),
  );
});

for (const file of files)
  test(`${file} is the model that its directory is`, async () => {
    const name = basename(file, ".gguf");
    const directory = join(golden, "families", name);
    const { ids } = JSON.parse(await readFile(join(directory, "expected.json"), "utf8")) as {
      ids: number[];
    };
    await using there = await loadModel(directory, { backend: referenceBackend });
    await using here = await loadModel(join(golden, "families-gguf", file), {
      backend: referenceBackend,
    });
    assert.deepEqual(here.config, inSingle(there.config));
    await using ours = here.createSession();
    await using theirs = there.createSession();
    const found = await ours.append(ids, { logits: "all" });
    const expected = await theirs.append(ids, { logits: "all" });
    assert.deepEqual(found.logits, expected.logits);
  });
