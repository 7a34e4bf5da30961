import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as fc from "fast-check";
import { EngramError, FormatError } from "../errors.ts";
import { trainBpe } from "./bpe-trainer.ts";
import { parseSpecialTokens, parseTiktoken } from "./tiktoken.ts";
import { parseTokenizerJson } from "./tokenizer-json.ts";
import { toTokenizerJson } from "./tokenizer-json-text.ts";
import type { DirectTokenizer } from "./tokenizer.ts";

/** Bytes of `text` after edits at random places: overwritten, cut out, doubled, or cut off. */
function damaged(text: string): fc.Arbitrary<string> {
  const edit = fc.record({
    at: fc.nat(),
    length: fc.integer({ min: 0, max: 20 }),
    bytes: fc.oneof(
      fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes)),
      fc
        .constantFrom(...'{}[]",:0-9', "null", "-1", '""', "1e99", "[]", "{}", "__proto__")
        .map((part) => Buffer.from(part)),
    ),
    kind: fc.constantFrom("replace", "replace", "replace", "double", "cut"),
  });
  return fc.array(edit, { minLength: 1, maxLength: 4 }).map((edits) => {
    let bytes = Buffer.from(text);
    for (const { at, length, bytes: inserted, kind } of edits) {
      const start = bytes.length === 0 ? 0 : at % bytes.length;
      const head = bytes.subarray(0, start);
      const middle = bytes.subarray(start, start + length);
      const tail = bytes.subarray(start + length);
      if (kind === "cut") bytes = Buffer.from(head);
      else if (kind === "double") bytes = Buffer.concat([head, middle, middle, tail]);
      else bytes = Buffer.concat([head, inserted, tail]);
    }
    return bytes.toString("utf8");
  });
}

/** Parses or throws FormatError; what was parsed decodes its ids and encodes, or says why not. */
async function assertParsesOrRefuses(parse: () => Promise<DirectTokenizer>): Promise<void> {
  let tokenizer;
  try {
    tokenizer = await parse();
  } catch (error) {
    assert.ok(error instanceof FormatError, `${String(error)} ${(error as Error).stack}`);
    return;
  }
  tokenizer.decode([0, tokenizer.vocabSize - 1]);
  try {
    tokenizer.decode(tokenizer.encode("the bat[SEP]", { allowSpecial: true }));
  } catch (error) {
    assert.ok(error instanceof EngramError, `${String(error)} ${(error as Error).stack}`);
  }
}

const JSON_TEXT = toTokenizerJson(
  await trainBpe(["the cat sat on the mat, the cat"], { vocabSize: 262 }),
);
const WORD_PIECE = JSON.stringify({
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
const TIKTOKEN = Array.from(
  { length: 258 },
  (_, rank) => `${Buffer.from(rank < 256 ? [rank] : `a${rank}`).toString("base64")} ${rank}\n`,
).join("");

test("a damaged tokenizer.json parses or is a format error", async () => {
  await fc.assert(
    fc.asyncProperty(damaged(JSON_TEXT), (text) =>
      assertParsesOrRefuses(() => parseTokenizerJson(text)),
    ),
    { numRuns: 1500 },
  );
});

test("a damaged tokenizer.json of another kind parses or is a format error", async () => {
  await fc.assert(
    fc.asyncProperty(damaged(WORD_PIECE), (text) =>
      assertParsesOrRefuses(() => parseTokenizerJson(text)),
    ),
    { numRuns: 3000 },
  );
});

test("any JSON in the place of any part parses or is a format error", async () => {
  const parsed = JSON.parse(JSON_TEXT) as Record<string, Record<string, unknown>>;
  const parts = [
    "added_tokens",
    "normalizer",
    "pre_tokenizer",
    "post_processor",
    "decoder",
    "model",
  ];
  const modelParts = ["type", "vocab", "merges", "ignore_merges", "byte_fallback", "unk_token"];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...parts),
      fc.constantFrom(undefined, ...modelParts),
      fc.jsonValue({ maxDepth: 3 }),
      (part, modelPart, value) => {
        const text = JSON.stringify(
          modelPart === undefined
            ? { ...parsed, [part]: value }
            : { ...parsed, model: { ...parsed["model"], [modelPart]: value } },
        );
        return assertParsesOrRefuses(() => parseTokenizerJson(text));
      },
    ),
    { numRuns: 1500 },
  );
});

test("a damaged .tiktoken file parses or is a format error", async () => {
  await fc.assert(
    fc.asyncProperty(damaged(TIKTOKEN), (text) =>
      assertParsesOrRefuses(() => parseTiktoken(text, { splits: [] })),
    ),
    { numRuns: 1500 },
  );
});

test("a damaged list of special tokens parses or is a format error", async () => {
  await fc.assert(
    fc.asyncProperty(damaged('{"<a>": 258, "<b>": 259}'), (text) =>
      assertParsesOrRefuses(() =>
        parseTiktoken(TIKTOKEN, { specialTokens: parseSpecialTokens(text) }),
      ),
    ),
    { numRuns: 3000 },
  );
});

const vocab = (JSON.parse(JSON_TEXT) as { model: { vocab: Record<string, number> } }).model.vocab;
function withModel(model: object, rest: object = {}): string {
  const parsed = JSON.parse(JSON_TEXT) as { model: object };
  return JSON.stringify({ ...parsed, ...rest, model: { ...parsed.model, ...model } });
}
const WRONG: Record<string, [text: string, message: RegExp]> = {
  "text that is not JSON": ['{"model": ', /not JSON/],
  "JSON that is no object": ["[1]", /got an array/],
  "a file without a model": ['{"version": "1.0"}', /tokenizer_config\.json/],
  "an unknown model": [withModel({ type: "Bytes" }), /BPE, WordPiece or Unigram.*"Bytes"/],
  "an id given twice": [withModel({ vocab: { ...vocab, zzz: 5 } }), /own id, got 5 for both/],
  "an id that is no integer": [withModel({ vocab: { ...vocab, zzz: 0.5 } }), /"zzz".*0\.5/],
  "an id far beyond the rest": [withModel({ vocab: { ...vocab, zzz: 2e9 } }), /nearly dense/],
  "an empty vocabulary": [withModel({ vocab: {} }), /empty/],
  "a merge of an unknown token": [withModel({ merges: ["t h", "zz t"] }), /Merge 1 names "zz"/],
  "a merge of three tokens": [withModel({ merges: ["t h e"] }), /merge 0 to name two/],
  "a merge into an unknown token": [withModel({ merges: ["q q"] }), /Merge 0.*not in the vocab/],
  "an added token with another's id": [
    withModel({}, { added_tokens: [{ id: 5, content: "<x>", special: true }] }),
    /"<x>" with id 5 contradicts/,
  ],
  "a pattern that cannot be compiled": [
    withModel(
      {},
      {
        pre_tokenizer: {
          type: "Sequence",
          pretokenizers: [
            { type: "Split", pattern: { Regex: "(a" }, behavior: "Isolated", invert: false },
            { type: "ByteLevel", add_prefix_space: false, use_regex: false },
          ],
        },
      },
    ),
    /pattern.*\(a/,
  ],
  "a split that would come out wrong": [
    withModel(
      {},
      { pre_tokenizer: { type: "Split", pattern: { String: "-" }, behavior: "MergedWithNext" } },
    ),
    /mergedwithnext/,
  ],
};
for (const [what, [text, message]] of Object.entries(WRONG)) {
  test(`${what} is refused by name`, async () => {
    await assert.rejects(
      parseTokenizerJson(text),
      (error) => error instanceof FormatError && message.test(error.message),
    );
  });
}

test("a vocabulary may hold the word __proto__", async () => {
  const text = JSON_TEXT.replace(
    /"<\|endoftext\|>": 261/,
    '"<|endoftext|>": 261, "__proto__": 262',
  );
  const tokenizer = await parseTokenizerJson(text);
  assert.equal(tokenizer.decode([262]), "__proto__");
});

test("files of other formats are format errors", async () => {
  const here = readFileSync(new URL(import.meta.url), "utf8");
  await assert.rejects(parseTokenizerJson(here), FormatError);
  await assert.rejects(parseTiktoken(here), FormatError);
  assert.throws(() => parseSpecialTokens(here), FormatError);
});
