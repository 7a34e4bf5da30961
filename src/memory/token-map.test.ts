import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { RequestError } from "../errors.ts";
import { buildTokenMap, compressIds, tokenMapBytes, tokenMapSha256 } from "./index.ts";
import type { TokenSpellings } from "./token-map.ts";

/** A vocabulary of byte strings and special tokens, spelled as byte-level tokenizers spell. */
function spellings(tokens: readonly (Uint8Array | string)[]): TokenSpellings {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const alphabet = byteAlphabet();
  const tokenOf = (id: number): Uint8Array | string => tokens[id]!;
  return {
    vocabSize: tokens.length,
    decode: (ids) => {
      const token = tokenOf(ids[0]!);
      return typeof token === "string" ? token : decoder.decode(token);
    },
    rawToken: (id) => {
      const token = tokenOf(id);
      return typeof token === "string" ? token : Array.from(token, (b) => alphabet[b]).join("");
    },
  };
}

/** GPT-2's printable stand-ins for bytes. */
function byteAlphabet(): string[] {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad);
    return String.fromCodePoint(isPrintable ? byte : next++);
  });
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

test("ids whose texts normalise alike share the rank of the first of them", () => {
  const tokens = ["<s>", " The", "the", "a", "THE", "\n", "  ", "A", "b"].map(utf8);
  assert.deepEqual([...buildTokenMap(spellings(tokens)).map], [0, 1, 1, 2, 1, 3, 3, 2, 4]);
  assert.equal(buildTokenMap(spellings(tokens)).compressedVocabSize, 5);
});

test("incomplete UTF-8 goes by its raw form, in the same namespace as texts", () => {
  // The lone byte C3 spells "\u00c3" raw; as text that letter normalises to "a", so they stay apart.
  // The lone byte A1 spells "\u00a1" raw, and that text normalises to itself: one id.
  const tokens = [
    Uint8Array.of(0xc3),
    utf8("\u00c3"),
    Uint8Array.of(0xa1),
    utf8("\u00a1"),
    utf8("a"),
  ];
  assert.deepEqual([...buildTokenMap(spellings(tokens)).map], [0, 1, 2, 2, 1]);
});

test("a text that itself contains U+FFFD goes by its raw form", () => {
  // Its bytes EF BF BD spell this raw; a special token with that very text is the same key.
  const tokens = [utf8("\ufffd"), Uint8Array.of(0xff), "\u00ef\u00bf\u00bd"];
  const source = spellings(tokens);
  assert.equal(source.rawToken(0), "\u00ef\u00bf\u00bd");
  // The special token's own text normalises ("\u00ef" loses its dots), so it is another id after all.
  assert.deepEqual([...buildTokenMap(source).map], [0, 1, 2]);
});

test("a text that normalises to nothing is its own key", () => {
  const tokens = [utf8("\u0301"), utf8("\u0302"), utf8("\u0301"), utf8("\u0085")];
  assert.deepEqual([...buildTokenMap(spellings(tokens)).map], [0, 1, 0, 2]);
});

test("the digest is SHA-256 over int32 little endian", async () => {
  const tokenMap = buildTokenMap(spellings(["x", "y", "X", "z"].map(utf8)));
  const bytes = Buffer.from("00000000010000000000000002000000", "hex");
  assert.deepEqual(Buffer.from(tokenMapBytes(tokenMap)), bytes);
  const expected = createHash("sha256").update(bytes);
  assert.equal(await tokenMapSha256(tokenMap), expected.digest("hex"));
});

test("ids outside the vocabulary are refused with their position", () => {
  const tokenMap = { map: Int32Array.of(0, 1, 0), compressedVocabSize: 2 };
  assert.deepEqual([...compressIds(tokenMap, [2, 1])], [0, 1]);
  for (const bad of [3, -1, 1.5])
    assert.throws(
      () => compressIds(tokenMap, [0, bad]),
      (error) => error instanceof RequestError && error.message.includes(`${bad} at position 1`),
    );
});

const folder = join(
  process.env["ENGRAM_DATA"] ?? new URL("../../data", import.meta.url).pathname,
  "tokenizers/deepseek-v3",
);
const missing = existsSync(folder)
  ? false
  : "needs tokenizers/deepseek-v3 in data/ or in the folder that ENGRAM_DATA names";

function readJson(name: string): unknown {
  return JSON.parse(readFileSync(join(folder, name), "utf8"));
}

test(
  "DeepSeek-V3's 128,815 ids compress as with the official recipe",
  { skip: missing },
  async () => {
    const tokens: (Uint8Array | string)[] = [];
    for (const line of readFileSync(join(folder, "deepseek_v3.tiktoken"), "utf8").split("\n")) {
      const [bytes, rank] = line.split(" ");
      if (rank !== undefined) tokens[Number(rank)] = new Uint8Array(Buffer.from(bytes!, "base64"));
    }
    const special = readJson("special_tokens.json") as Record<string, number>;
    const more = readJson("special_tokens_extra_unverified.json") as { tokens: typeof special };
    for (const [text, id] of Object.entries({ ...special, ...more.tokens })) tokens[id] = text;
    assert.equal(tokens.length, 128_815);

    const tokenMap = buildTokenMap(spellings(tokens));
    // Computed with the Rust library (tokenizers 0.23.2) and the recipe's one shared dictionary. It is
    // also what the released V4.1 count predicts: 99,092 less the 465 ids its tokenizer has in addition.
    assert.equal(tokenMap.compressedVocabSize, 98_627);
    assert.equal(
      await tokenMapSha256(tokenMap),
      "cd48cb62d9cca1baaf08d9e7795ad3d4c22b6c56f0f070178b9e3a52694ea930",
    );
    // Appendix C of the paper: the largest classes have 163, 54, 40, 35 and 30 ids.
    const sizes = new Int32Array(tokenMap.compressedVocabSize);
    for (const rank of tokenMap.map) sizes[rank]!++;
    assert.deepEqual([...sizes].toSorted((a, b) => b - a).slice(0, 5), [163, 54, 40, 35, 30]);
  },
);
