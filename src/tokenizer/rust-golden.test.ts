import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parseTokenizerJson, trainBpe } from "./index.ts";

/** What the Rust library made, see test/golden/tokenizer/README.md. */
interface Golden {
  corpus: string[];
  tokenizer: { model: { merges: [string, string][]; vocab: Record<string, number> } };
  strings: string[];
  variants: {
    name: string;
    pre_tokenizer: object;
    normalizer: object | null;
    added_tokens: object[];
    ids: number[][];
  }[];
  decoded: { ids: number[]; text: string; plain: string }[];
  others: {
    name: string;
    tokenizer: object;
    strings: string[];
    ids: number[][];
    texts: string[];
  }[];
  holes: { tokenizer: object; strings: string[]; ids: number[][] };
}

const golden = JSON.parse(
  readFileSync(new URL("../../test/golden/tokenizer/rust.json", import.meta.url), "utf8"),
) as Golden;

test("training makes the merges of the Rust trainer, in the same order", async () => {
  const vocabSize = Object.keys(golden.tokenizer.model.vocab).length;
  const { tokens, merges } = await trainBpe(golden.corpus, {
    vocabSize,
    specialTokens: ["<|endoftext|>", "<|pad|>"],
  });
  assert.ok(merges instanceof Int32Array);
  const spelled = Array.from({ length: merges.length / 2 }, (_, rank) => [
    tokens[merges[rank * 2] ?? -1],
    tokens[merges[rank * 2 + 1] ?? -1],
  ]);
  assert.deepEqual(spelled, golden.tokenizer.model.merges);
});

/** There white space is JavaScript's in places: without U+0085 and with U+FEFF. */
const byTheLibrary = "a space put before";

for (const { name, ids, ...parts } of golden.variants) {
  test(`encoding gives the ids of the Rust library (${name})`, async () => {
    const tokenizer = await parseTokenizerJson(JSON.stringify({ ...golden.tokenizer, ...parts }));
    for (const [index, text] of golden.strings.entries()) {
      if (name === byTheLibrary && /[\u0085\ufeff]/.test(text)) continue;
      const got = [...tokenizer.encode(text, { allowSpecial: true })];
      assert.deepEqual(got, ids[index], JSON.stringify(text));
    }
  });
}

test("decoding gives the text of the Rust library, invalid bytes included", async () => {
  const tokenizer = await parseTokenizerJson(JSON.stringify(golden.tokenizer));
  for (const { ids, text, plain } of golden.decoded) {
    assert.equal(tokenizer.decode(ids), text);
    assert.equal(tokenizer.decode(ids, { skipSpecial: true }), plain);
  }
});

for (const { name, tokenizer: json, strings, ids, texts } of golden.others) {
  test(`a vocabulary that is not byte-level gives the ids and texts of the Rust library (${name})`, async () => {
    const tokenizer = await parseTokenizerJson(JSON.stringify(json));
    const special = new Set(tokenizer.specialTokens.values());
    for (const [index, text] of strings.entries()) {
      assert.ok(!tokenizer.encode(text).some((id) => special.has(id)), "plain text unless allowed");
      const got = [...tokenizer.encode(text, { allowSpecial: true })];
      assert.deepEqual(got, ids[index], JSON.stringify(text));
      assert.equal(tokenizer.decode(got), texts[index]);
      const stream = tokenizer.stream();
      const parts = [...got.map((id) => stream.push(id)), stream.end()];
      assert.equal(parts.join(""), texts[index]);
    }
  });
}

test("bytes without a token are left out before anything is merged, as the Rust library does", async () => {
  const { tokenizer: json, strings, ids } = golden.holes;
  const tokenizer = await parseTokenizerJson(JSON.stringify(json));
  assert.equal(tokenizer.maxUnitsPerToken, undefined);
  for (const [index, text] of strings.entries()) {
    assert.deepEqual([...tokenizer.encode(text)], ids[index], JSON.stringify(text));
  }
});
