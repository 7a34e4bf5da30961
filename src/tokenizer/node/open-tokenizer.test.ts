import assert from "node:assert/strict";
import { after, test } from "node:test";
import { FormatError, RequestError } from "../../errors.ts";
import { openTokenizerFile } from "./index.ts";
import { parseTokenizerJson, type Tokenizer, toTokenizerJson, trainBpe } from "../index.ts";

const definition = await trainBpe(["the cat sat on the mat, the cat"], { vocabSize: 262 });
const honest = toTokenizerJson(definition);
const open: Tokenizer[] = [];
after(() => {
  for (const tokenizer of open) tokenizer.close?.();
});

async function opened(json: string): Promise<Tokenizer> {
  const tokenizer = await openTokenizerFile(json);
  open.push(tokenizer);
  return tokenizer;
}

/** The definition with another pattern, in the place where this project's own stands. */
function withPattern(pattern: string): string {
  return toTokenizerJson({ ...definition, splits: [pattern] });
}

const wordPiece = JSON.stringify({
  added_tokens: [{ id: 1, content: "[SEP]", special: true }],
  normalizer: { type: "BertNormalizer", lowercase: true },
  pre_tokenizer: { type: "BertPreTokenizer" },
  decoder: { type: "WordPiece", prefix: "##" },
  model: {
    type: "WordPiece",
    unk_token: "[UNK]",
    vocab: { "[UNK]": 0, "[SEP]": 1, a: 2, "##b": 3 },
  },
});

const texts = [
  "",
  "the cat",
  "Ünïcode <|endoftext|> 🐈",
  "a".repeat(9000),
  "the mat. ".repeat(9000),
];
for (const [what, json] of [
  ["of this project", honest],
  ["with patterns of its own", withPattern("\\w+|\\W+")],
  ["that is normalised first", toTokenizerJson({ ...definition, unicodeForm: "NFKC" })],
  ["of another kind", wordPiece],
] as const)
  test(`a vocabulary ${what} encodes as on the caller's thread, short and long texts`, async () => {
    const tokenizer = await opened(json);
    const direct = await parseTokenizerJson(json);
    for (const text of texts)
      for (const allowSpecial of [true, false]) {
        const options = { allowSpecial, literals: text.length > 20 ? [10] : [] };
        const ids = await tokenizer.encode(text, options);
        assert.deepEqual(ids, direct.encode(text, options));
        assert.equal(tokenizer.decode(ids), direct.decode(ids));
        const { maxUnitsPerToken: most } = tokenizer;
        assert.ok(most === undefined || text.length <= ids.length * most, "as few as promised");
      }
  });

test("many texts at once come back in their order", async () => {
  const tokenizer = await opened(honest);
  const direct = await parseTokenizerJson(honest);
  const many = Array.from({ length: 300 }, (_, i) => `the cat ${i} `.repeat(1 + (i % 40)));
  const all = await Promise.all(many.map((text) => tokenizer.encode(text)));
  assert.deepEqual(
    all,
    many.map((text) => direct.encode(text)),
  );
});

// Each takes longer than the universe has lasted.
const explosive = "a".repeat(80);
const explosions: readonly [string, string][] = [
  ["its pattern", withPattern("(a+)+b|[^a]")],
  [
    "a normaliser's pattern",
    wordPiece.replace(
      '{"type":"BertNormalizer","lowercase":true}',
      '{"type":"Replace","pattern":{"Regex":"(a+)+b"},"content":""}',
    ),
  ],
  [
    "a pattern met in its own added token",
    JSON.stringify({
      ...(JSON.parse(wordPiece) as object),
      normalizer: { type: "Replace", pattern: { Regex: "(a+)+b" }, content: "" },
      added_tokens: [
        { id: 1, content: "[SEP]", normalized: true },
        { id: 4, content: explosive, normalized: true },
      ],
    }),
  ],
];
for (const [where, json] of explosions)
  test(`${where} that never ends is opened at once, and stopped when somebody asks`, async () => {
    const tokenizer = await opened(json);
    assert.equal(tokenizer.decode([2, 2]).replaceAll(" ", "").length, 2);
    const controller = new AbortController();
    const ids = tokenizer.encode(explosive, { signal: controller.signal });
    // The thread of whoever asks is free all the while.
    setImmediate(() => controller.abort());
    await assert.rejects(async () => ids, { name: "AbortError" });
  });

test("a pattern that never ends is refused after a while, with what to do, and the next text is read", async () => {
  const tokenizer = await opened(withPattern("(a+)+b|[^a]"));
  const stuck = tokenizer.encode(explosive);
  const next = tokenizer.encode("the cat");
  await assert.rejects(
    async () => stuck,
    (error) =>
      error instanceof RequestError &&
      /patterns of this tokenizer\.json did not cut a text of 80 characters/.test(error.message),
  );
  assert.equal(tokenizer.decode(await next), "the cat");
});

const deep = (depth: number, inner: string): string =>
  '{"type":"Sequence","normalizers":['.repeat(depth) + inner + "]}".repeat(depth);
for (const [what, json, message] of [
  [
    "a token without end",
    honest.replace('"vocab": {', `"vocab": {"${"a".repeat(5000)}": 262,`),
    /at most 4096/,
  ],
  ["patterns without end", withPattern("a|".repeat(10_000) + "b"), /at most 16384 characters/],
  [
    "steps in steps",
    honest.replace('"normalizer": null', `"normalizer": ${deep(200_000, '{"type":"NFC"}')}`),
    /nested/,
  ],
  [
    "a decoder with a pattern",
    wordPiece.replace(
      '{"type":"WordPiece","prefix":"##"}',
      '{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"Regex":"(a+)+b"},"content":""}]}',
    ),
    /decoder replaces texts/,
  ],
] as const)
  test(`${what} is refused when the file is opened`, async () => {
    await assert.rejects(
      openTokenizerFile(json),
      (error) => error instanceof FormatError && message.test(error.message),
    );
  });
