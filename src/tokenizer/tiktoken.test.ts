import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { FormatError } from "../errors.ts";
import { unspellBytes } from "./byte-alphabet.ts";
import { createTokenizer } from "./byte-level-tokenizer.ts";
import { DEFAULT_SPLIT } from "./pretokenize.ts";
import { parseSpecialTokens, parseTiktoken, parseTiktokenDefinition } from "./tiktoken.ts";
import { parseTokenizerJson } from "./tokenizer-json.ts";
import { toTokenizerJson } from "./tokenizer-json-text.ts";

const WORDS = [
  "th",
  "he",
  "the",
  " the",
  " t",
  "aa",
  "aaa",
  "aaaa",
  "é",
  "日",
  "日本",
  "本",
  "ab",
  "ba",
];
const RANKS: readonly Buffer[] = [
  ...Array.from({ length: 256 }, (_, byte) => Buffer.from([(byte * 7) % 256])),
  ...WORDS.map((word) => Buffer.from(word)),
];

function file(ranks: readonly Buffer[] = RANKS): string {
  return ranks.map((bytes, rank) => `${bytes.toString("base64")} ${rank}\n`).join("");
}

/** The merging of tiktoken by its definition: join the neighbours of lowest rank until none has one. */
function encodeSlowly(text: string): number[] {
  const rankOf = new Map(RANKS.map((bytes, rank) => [bytes.toString("hex"), rank]));
  const whole = rankOf.get(Buffer.from(text).toString("hex"));
  if (whole !== undefined) return [whole];
  const parts = Array.from(Buffer.from(text), (byte) => Buffer.from([byte]).toString("hex"));
  for (;;) {
    let best = -1;
    let bestRank = Infinity;
    for (let i = 0; i + 1 < parts.length; i++) {
      const rank = rankOf.get(`${parts[i]}${parts[i + 1]}`) ?? Infinity;
      if (rank < bestRank) [best, bestRank] = [i, rank];
    }
    if (best < 0) return parts.map((part) => rankOf.get(part) ?? -1);
    parts.splice(best, 2, `${parts[best]}${parts[best + 1]}`);
  }
}

test("ids are those of merging by lowest rank", async () => {
  const tokenizer = await parseTiktoken(file(), { splits: [] });
  const anyText = fc.string({
    unit: fc.constantFrom(..." theab", "aa", "é", "日本", "本"),
    minLength: 1,
    maxLength: 90,
  });
  fc.assert(
    fc.property(anyText, (text) => {
      assert.deepEqual([...tokenizer.encode(text)], encodeSlowly(text));
    }),
    { numRuns: 500 },
  );
});

test("written as tokenizer.json it gives the same ids", async () => {
  const definition = parseTiktokenDefinition(file(), { splits: [DEFAULT_SPLIT] });
  const [direct, written] = [
    await createTokenizer(definition),
    await parseTokenizerJson(toTokenizerJson(definition)),
  ];
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(..." theab", "é", "日本"), maxLength: 90 }),
      (text) => {
        assert.deepEqual(written.encode(text), direct.encode(text));
      },
    ),
  );
});

test("a rank is an id, its bytes what it decodes to", async () => {
  const tokenizer = await parseTiktoken(file());
  assert.equal(tokenizer.vocabSize, RANKS.length);
  for (const [id, bytes] of RANKS.entries()) {
    assert.deepEqual(Buffer.from(tokenizer.tokenBytes(id)), bytes);
    assert.deepEqual(unspellBytes(tokenizer.rawToken(id)), Uint8Array.from(bytes));
  }
});

test("special tokens follow the ranks, or stand among them", async () => {
  const specialTokens = parseSpecialTokens('{"<｜end▁of▁sentence｜>": 270, "the": 258}');
  const tokenizer = await parseTiktoken(file(), { specialTokens, splits: [] });
  assert.equal(tokenizer.vocabSize, 271);
  assert.equal(tokenizer.eosTokenId, 270);
  assert.equal(tokenizer.decode([258, 270]), "the<｜end▁of▁sentence｜>");
  assert.ok(!tokenizer.encode("xthex").includes(258));
  assert.ok(tokenizer.encode("xthex", { allowSpecial: true }).includes(258));
});

test("special tokens may stand under a key, with remarks beside them", () => {
  assert.deepEqual(
    [...parseSpecialTokens('{"note": "unverified", "tokens": {"<a>": 3}}')],
    [["<a>", 3]],
  );
});

test("an id free between special tokens becomes a special token of its own", async () => {
  const tokenizer = await parseTiktoken(file(), {
    specialTokens: new Map([
      ["<a>", 271],
      ["<b>", 274],
    ]),
  });
  assert.equal(tokenizer.vocabSize, 275);
  assert.deepEqual(
    [270, 271, 272, 273, 274].map((id) => tokenizer.decode([id])),
    ["<|unused_270|>", "<a>", "<|unused_272|>", "<|unused_273|>", "<b>"],
  );
});

const line = (text: string, rank: number | string): string =>
  `${Buffer.from(text).toString("base64")} ${rank}\n`;
const BROKEN: Record<string, string> = {
  "nothing at all": "",
  "only blank lines": "\n\n",
  "a line cut in its base64": `${file()}AB`,
  "a line cut before its rank": `${file()}${line("xyz", "")}`,
  "base64 that is none": `${file()}*** 270\n`,
  "a negative rank": `${file()}${line("xyz", -1)}`,
  "a rank that is no integer": `${file()}${line("xyz", "270.5")}`,
  "a rank beyond all vocabularies": `${file()}${line("xyz", 900_000_000)}`,
  "the same rank twice": `${file()}${line("xyz", 3)}`,
  "the same bytes twice": `${file()}${line("the", 270)}`,
  "a missing line": file().replace(/^.* 100\n/m, ""),
  "missing bytes": file(RANKS.slice(1)),
};
for (const [what, text] of Object.entries(BROKEN)) {
  test(`${what} is a format error`, async () => {
    await assert.rejects(parseTiktoken(text, { splits: [] }), FormatError);
  });
}

test("lines lost at the end are noticed by the special tokens", async () => {
  const specialTokens = new Map([["<a>", RANKS.length]]);
  await assert.rejects(
    parseTiktoken(file(RANKS.slice(0, -2)), { specialTokens }),
    (error) => error instanceof FormatError && error.message.includes("truncated"),
  );
});

test("special tokens of another vocabulary are refused", async () => {
  for (const list of ['{"<a>": 258}', '{"<a>": 270, "<b>": 270}']) {
    const specialTokens = parseSpecialTokens(list);
    await assert.rejects(parseTiktoken(file(), { specialTokens }), FormatError);
  }
});

test("a list of special tokens that is none is a format error", () => {
  for (const text of ["", "[]", "3", "null", '{"a": "b"}', '{"a": -1}', '{"a": 1e9}', '{"": 1}'])
    assert.throws(() => parseSpecialTokens(text), FormatError, text);
});
