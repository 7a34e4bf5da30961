/**
 * The compression map of the released model, rebuilt from public parts. DeepSeek-V4.1 kept the 128,000
 * ranks of V3's vocabulary and gave the other 1,280 ids to special tokens that no other token equals,
 * so its published map (129,280 ids to 99,092, SHA-256 in the specification) is V3's, counted on. One
 * wrong character in decoding or normalising any token, and the digest differs.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { buildTokenMap, tokenMapSha256 } from "../src/memory/index.ts";
import { parseSpecialTokens, parseTiktoken } from "../src/tokenizer/index.ts";

const data = process.env["ENGRAM_DATA"] ?? fileURLToPath(new URL("../data", import.meta.url));
const folder = join(data, "tokenizers/deepseek-v3");
const needsVocabulary = { skip: !existsSync(folder) && `no vocabulary in ${folder}` };

async function readVocabulary(keepId: (id: number) => boolean): ReturnType<typeof parseTiktoken> {
  const special = parseSpecialTokens(readFileSync(join(folder, "special_tokens.json"), "utf8"));
  return await parseTiktoken(readFileSync(join(folder, "deepseek_v3.tiktoken"), "utf8"), {
    specialTokens: new Map([...special].filter(([, id]) => keepId(id))),
  });
}

test(
  "V3's ranks and 1,280 more special tokens give the released map",
  needsVocabulary,
  async () => {
    const { map, compressedVocabSize } = buildTokenMap(await readVocabulary((id) => id < 128_000));
    assert.equal(map.length, 128_000);
    assert.deepEqual(
      [0, 2, 3, 15, 1805, 671, 270, 455, 20_852, 6367].map((id) => map[id]),
      [0, 2, 3, 15, 237, 237, 237, 237, 237, 237],
    );
    const released = new Int32Array(129_280);
    released.set(map);
    for (let id = map.length; id < released.length; id++)
      released[id] = compressedVocabSize + id - map.length;
    assert.equal(released.at(-1), 99_091);
    assert.equal(
      await tokenMapSha256({ map: released, compressedVocabSize: 99_092 }),
      "c60a86322ec17b4142bfef3c57a8d81fb428550cdf487f88a4320cb59fe46481",
    );
  },
);

test(
  "V3's listed special tokens, free ids between them included, stay apart",
  needsVocabulary,
  async () => {
    const tokenMap = buildTokenMap(await readVocabulary(() => true));
    assert.equal(tokenMap.map.length, 128_806);
    assert.equal(tokenMap.compressedVocabSize, 97_812 + 806);
  },
);
