import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import * as fc from "fast-check";
import { gpt2Definition } from "./gpt2-files.fixture.ts";
import {
  createTokenizer,
  DEEPSEEK_V3_SPLITS,
  parseSpecialTokens,
  parseTiktoken,
  parseTiktokenDefinition,
  parseTokenizerJson,
  QWEN2_SPLIT,
  toTokenizerJson,
} from "./index.ts";
import type { DirectTokenizer } from "./index.ts";
import { createLibraryTokenizer } from "./library.ts";

const DATA = process.env["ENGRAM_DATA"] ?? fileURLToPath(new URL("../../data", import.meta.url));
const GOLDEN = new URL("../../test/golden/tokenizer/", import.meta.url);

const STRINGS: readonly string[] = readFileSync(new URL("strings.inp", GOLDEN), "utf8").split(
  "\n__ggml_vocab_test__\n",
);

function read(file: string): string {
  return readFileSync(`${DATA}/tokenizers/${file}`, "utf8");
}

/** Options of a test that needs vocabularies which are too large for the repository. */
function needs(...files: string[]): { skip: string | false } {
  const missing = files.filter((file) => !existsSync(`${DATA}/tokenizers/${file}`));
  return { skip: missing.length > 0 && `no ${missing.join(", ")} in ${DATA}/tokenizers` };
}

const golden = (name: string): string => readFileSync(new URL(`${name}.out`, GOLDEN), "utf8");

/** `vectors`: the ids of each string, a line each. */
function assertVectors(tokenizer: DirectTokenizer, vectors: string): void {
  const expected = vectors.split("\n");
  assert.equal(STRINGS.length, 47);
  assert.equal(expected.length, 47);
  for (const [index, text] of STRINGS.entries()) {
    const ids = tokenizer.encode(text);
    assert.equal(
      ids.join(" "),
      expected[index]?.trim(),
      `string ${index}: ${JSON.stringify(text)}`,
    );
    assert.equal(tokenizer.decode(ids), text);
  }
}

/** On the vectors and on random Unicode. */
async function assertLikeLibrary(json: string): Promise<void> {
  const library = await createLibraryTokenizer(JSON.parse(json) as object);
  const tokenizer = await parseTokenizerJson(json);
  const check = (text: string): void => {
    const { ids } = library.encode(text, { add_special_tokens: false });
    assert.deepEqual([...tokenizer.encode(text, { allowSpecial: true })], ids);
  };
  for (const text of STRINGS) check(text);
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 100 }), check), { numRuns: 500 });
}

test(
  "GPT-2 gives llama.cpp's ids for all 47 strings",
  needs("gpt2/encoder.json", "gpt2/vocab.bpe"),
  async () => {
    const definition = gpt2Definition(read("gpt2/encoder.json"), read("gpt2/vocab.bpe"));
    assertVectors(await createTokenizer(definition), golden("gpt-2"));
    const json = toTokenizerJson(definition);
    assertVectors(await parseTokenizerJson(json), golden("gpt-2"));
    await assertLikeLibrary(json);
  },
);

test("Qwen gives llama.cpp's ids for all 47 strings", needs("qwen/qwen.tiktoken"), async () => {
  const options = { splits: [QWEN2_SPLIT] };
  assertVectors(await parseTiktoken(read("qwen/qwen.tiktoken"), options), golden("qwen2"));
});

test(
  "Qwen's ranks written as tokenizer.json give the same ids",
  needs("qwen/qwen.tiktoken"),
  async () => {
    const definition = parseTiktokenDefinition(read("qwen/qwen.tiktoken"), {
      splits: [QWEN2_SPLIT],
    });
    const json = toTokenizerJson(definition);
    assertVectors(await parseTokenizerJson(json), golden("qwen2"));
    await assertLikeLibrary(json);
  },
);

const DEEPSEEK_FILES = ["deepseek-v3/deepseek_v3.tiktoken", "deepseek-v3/special_tokens.json"];

test("DeepSeek-V3 gives the ids that are known of it", needs(...DEEPSEEK_FILES), async () => {
  const tokenizer = await parseTiktoken(read("deepseek-v3/deepseek_v3.tiktoken"), {
    specialTokens: parseSpecialTokens(read("deepseek-v3/special_tokens.json")),
    splits: DEEPSEEK_V3_SPLITS,
  });
  assert.deepEqual([...tokenizer.encode("Hello!")], [19923, 3]);
  assert.deepEqual([...tokenizer.encode(" \u200b")], [223, 35020]);
  assert.equal(tokenizer.eosTokenId, 1);
  assert.deepEqual(
    [...tokenizer.encode("<｜begin▁of▁sentence｜>a", { allowSpecial: true })].slice(0, 1),
    [0],
  );
  for (const text of STRINGS) assert.equal(tokenizer.decode(tokenizer.encode(text)), text);
});

// Whoever has the vocabularies puts them there. (phi-3's is no byte-level one: the library reads it.)
for (const name of ["deepseek-coder", "deepseek-llm", "falcon", "mpt", "starcoder"]) {
  const [file, vectors] = [`${name}/tokenizer.json`, `llama.cpp-vectors/${name}.out`];
  test(`${name} gives llama.cpp's ids for all 47 strings`, needs(file, vectors), async () => {
    assertVectors(await parseTokenizerJson(read(file)), read(vectors));
  });
}
