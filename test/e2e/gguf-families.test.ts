/**
 * The tiny models of `families.test.ts` as GGUF files, with llama.cpp's names and order of rows
 * (reference/make_family_gguf.py): the same configuration, and the same logits to the last bit.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { copyFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { MissingFileError } from "../../src/checkpoint/index.ts";
import { FormatError } from "../../src/errors.ts";
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

test("a model in several files is one, by any of their names or their folder", async () => {
  const parts = join(golden, "gguf-parts");
  const [first, second] = readdirSync(parts).toSorted() as [string, string];
  const open = (path: string): ReturnType<typeof loadModel> =>
    loadModel(path, { backend: referenceBackend });
  await using whole = await open(join(golden, "families-gguf", "qwen2.gguf"));
  for (const path of [join(parts, first), join(parts, second), parts]) {
    await using model = await open(path);
    assert.deepEqual(model.config, whole.config);
    assert.deepEqual(model.language.params, whole.language.params);
  }

  const root = await mkdtemp(join(tmpdir(), "engram-parts-"));
  try {
    const copy = async (names: Record<string, string>): Promise<string> => {
      const folder = await mkdtemp(join(root, "parts-"));
      for (const [from, to] of Object.entries(names))
        await copyFile(join(parts, from), join(folder, to));
      return folder;
    };
    const third = first.replace("-00001-", "-00003-");
    const broken: [Record<string, string>, RegExp][] = [
      [{ [first]: first, [second]: second }, /qwen2-00003-of-00003\.gguf is missing/],
      [{ [second]: second, [third]: third }, /qwen2-00001-of-00003\.gguf is missing/],
      [
        { [first]: first, [second]: third, [third]: second },
        /says that it is part 3 of 3, its name that it is part 2 of 3/,
      ],
      [{ [first]: "qwen2.gguf" }, /says that it is part 1 of 3, its name that it is part 1 of 1/],
      [{ [first]: "x-00001-of-00001.gguf" }, /part 1 of 3, its name that it is part 1 of 1/],
    ];
    for (const [names, message] of broken)
      await assert.rejects(open(await copy(names)), (error: Error) => {
        assert.ok(error instanceof FormatError || error instanceof MissingFileError, String(error));
        assert.match(error.message, message);
        return true;
      });
  } finally {
    await rm(root, { recursive: true });
  }
});
