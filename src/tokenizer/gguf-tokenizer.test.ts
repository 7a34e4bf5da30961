import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { FormatError, InvalidConfigError } from "../errors.ts";
import { alphabetChar } from "./byte-alphabet.ts";
import { gpt2Definition } from "./gpt2-files.fixture.ts";
import {
  type DirectTokenizer,
  ggufTokenizerFile,
  ggufTokenizerJson,
  parseTiktokenDefinition,
  parseTokenizerJson,
  QWEN2_SPLIT,
  type TokenizerDefinition,
  toTokenizerJson,
} from "./index.ts";
import { readTokenizerFile } from "./tokenizer-file.ts";

const GOLDEN = new URL("../../test/golden/tokenizer/", import.meta.url);
const DATA = process.env["ENGRAM_DATA"] ?? fileURLToPath(new URL("../../data", import.meta.url));

const STRINGS: readonly string[] = readFileSync(new URL("strings.inp", GOLDEN), "utf8").split(
  "\n__ggml_vocab_test__\n",
);

function needs(...files: string[]): { skip: string | false } {
  const missing = files.filter((file) => !existsSync(`${DATA}/tokenizers/${file}`));
  return { skip: missing.length > 0 && `no ${missing.join(", ")} in ${DATA}/tokenizers` };
}

const read = (file: string): string => readFileSync(`${DATA}/tokenizers/${file}`, "utf8");
const golden = (file: string): string => readFileSync(new URL(file, GOLDEN), "utf8");

/** As the settings of a GGUF file say it, under "tokenizer.ggml.". */
function settingsOf(values: Readonly<Record<string, unknown>>): Map<string, unknown> {
  return new Map(Object.entries(values).map(([key, value]) => [`tokenizer.ggml.${key}`, value]));
}

/** What llama.cpp's converter makes of a vocabulary. */
function byteLevelSettings(
  definition: TokenizerDefinition,
  pre: string | undefined,
): Map<string, unknown> {
  const { model } = JSON.parse(toTokenizerJson(definition)) as { model: { merges: string[] } };
  const special = new Set(definition.addedTokens.map(({ id }) => id));
  return settingsOf({
    model: "gpt2",
    ...(pre !== undefined && { pre }),
    tokens: definition.tokens,
    token_type: Int32Array.from(definition.tokens, (_, id) => (special.has(id) ? 3 : 1)),
    merges: model.merges,
  });
}

function assertVectors(tokenizer: DirectTokenizer, vectors: string): void {
  const expected = vectors.split("\n");
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

test(
  'byte-level BPE with the pre-tokenizer "gpt-2" gives llama.cpp\'s ids',
  needs("gpt2/encoder.json", "gpt2/vocab.bpe"),
  async () => {
    const definition = gpt2Definition(read("gpt2/encoder.json"), read("gpt2/vocab.bpe"));
    const settings = byteLevelSettings(definition, "gpt-2");
    assertVectors(await parseTokenizerJson(ggufTokenizerJson(settings)), golden("gpt-2.out"));
    assertVectors(await parseTokenizerJson(ggufTokenizerFile(settings)!), golden("gpt-2.out"));
  },
);

for (const pre of ["qwen2", "deepseek-r1-qwen"])
  test(
    `byte-level BPE with the pre-tokenizer "${pre}" gives llama.cpp's ids`,
    needs("qwen/qwen.tiktoken"),
    async () => {
      const splits = [QWEN2_SPLIT];
      const definition = parseTiktokenDefinition(read("qwen/qwen.tiktoken"), { splits });
      const json = ggufTokenizerJson(byteLevelSettings(definition, pre));
      assertVectors(await parseTokenizerJson(json), golden("qwen2.out"));
    },
  );

interface SentencePiece {
  readonly tokens: readonly string[];
  readonly scores: readonly number[];
  readonly types: readonly number[];
  readonly texts: readonly { readonly text: string; readonly ids: readonly number[] }[];
}

const sentencePiece = JSON.parse(golden("sentencepiece.json")) as SentencePiece;

const sentencePieceSettings = {
  model: "llama",
  pre: "default",
  tokens: sentencePiece.tokens,
  scores: Float32Array.from(sentencePiece.scores),
  token_type: Int32Array.from(sentencePiece.types),
  bos_token_id: 1,
  eos_token_id: 2,
  unknown_token_id: 0,
  padding_token_id: 2,
  add_bos_token: true,
  add_space_prefix: true,
};

test("scores with byte fallback give SentencePiece's ids, and the texts come back", async () => {
  const tokenizer = await parseTokenizerJson(ggufTokenizerJson(settingsOf(sentencePieceSettings)));
  assert.equal(tokenizer.vocabSize, sentencePiece.tokens.length);
  assert.ok(sentencePiece.texts.length > 100);
  for (const { text, ids } of sentencePiece.texts) {
    assert.deepEqual([...tokenizer.encode(text)], ids, JSON.stringify(text));
    // SentencePiece itself writes a space for what it writes a space as.
    assert.equal(tokenizer.decode(ids), text.replaceAll("\u2581", " "));
  }
});

/** A vocabulary of all bytes, two merges and three added tokens. */
function tiny(more: Readonly<Record<string, unknown>> = {}): Map<string, unknown> {
  const bytes = Array.from({ length: 256 }, (_, byte) => alphabetChar(byte));
  const tokens = [...bytes, "ab", "abc", "<s>", "</s>", "<think>", "[PAD]"];
  return settingsOf({
    model: "gpt2",
    pre: "llama-bpe",
    tokens,
    token_type: Int32Array.from(tokens, (_, id) => [1, 1, 3, 3, 4, 5][id - 256] ?? 1),
    merges: ["a b", "ab c"],
    bos_token_id: 258,
    eos_token_id: 259,
    ...more,
  });
}

test("types of tokens: control ones are special, user-defined ones always found, unused ones never", async () => {
  const tokenizer = await parseTokenizerJson(ggufTokenizerJson(tiny()));
  assert.deepEqual([...tokenizer.specialTokens.keys()], ["<s>", "</s>"]);
  assert.deepEqual([...tokenizer.encode("<think>abc")], [260, 257]);
  assert.deepEqual([...tokenizer.encode("<s>abc", { allowSpecial: true })], [258, 257]);
  assert.equal(tokenizer.encode("<s>").length, 3);
  assert.equal(tokenizer.encode("[PAD]").length, 5);
});

test("read without its text, a vocabulary is what its text says", () => {
  for (const settings of [tiny(), tiny({ pre: "qwen2", add_eos_token: true })]) {
    const { json, model, idOf, ...rest } = ggufTokenizerFile(settings)!;
    const written = readTokenizerFile(ggufTokenizerJson(settings));
    const { vocab, ...ofModel } = written.model;
    assert.deepEqual({ ...model, vocab: undefined }, { ...ofModel, vocab: undefined });
    assert.ok(vocab !== null);
    assert.deepEqual(idOf, written.idOf);
    assert.deepEqual({ ...json, model: undefined }, { ...written.json, model: undefined });
    assert.deepEqual(rest, {
      normalizer: written.normalizer,
      preTokenizer: written.preTokenizer,
      decoder: written.decoder,
      tokens: written.tokens,
      merges: written.merges,
      addedTokens: written.addedTokens,
    });
  }
  assert.equal(ggufTokenizerFile(settingsOf(sentencePieceSettings)), undefined);
  assert.throws(() => ggufTokenizerFile(tiny({ merges: ["a nothing"] })), /names "nothing"/);
});

for (const [what, more, begin, end] of [
  ["Llama 3's vocabularies begin with BOS where the file does not say", {}, true, false],
  ["add_bos_token false begins with nothing", { add_bos_token: false }, false, false],
  ["add_eos_token ends with EOS", { add_eos_token: true }, true, true],
  [
    "GPT-2's vocabularies begin with nothing where the file does not say",
    { pre: "gpt-2" },
    false,
    false,
  ],
] as const)
  test(what, () => {
    const { post_processor: found } = JSON.parse(ggufTokenizerJson(tiny(more))) as {
      post_processor: { single: Record<string, { id: string }>[] } | null;
    };
    const single = found?.single.map((part) => Object.values(part)[0]!.id) ?? ["A"];
    assert.deepEqual(single, [...(begin ? ["<s>"] : []), "A", ...(end ? ["</s>"] : [])]);
  });

for (const [what, more, expected] of [
  [
    "an unknown pre-tokenizer",
    { pre: "kimi-k9" },
    /tokenizer.ggml.pre: "kimi-k9" is not known here; known are default, gpt-2/,
  ],
  [
    "a pre-tokenizer of JavaScript's own",
    { pre: "constructor" },
    /"constructor" is not known here/,
  ],
  [
    "another kind of vocabulary",
    { model: "t5" },
    /tokenizer.ggml.model: "t5" is no kind .* "gpt2"/,
  ],
  [
    "a setting that is not known",
    { lowercase_all: true },
    /the setting "tokenizer.ggml.lowercase_all" \(true\) is not known/,
  ],
] as const)
  test(`${what} is refused by name`, () => {
    assert.throws(
      () => ggufTokenizerJson(tiny(more)),
      (error: unknown) => {
        assert.ok(error instanceof InvalidConfigError, String(error));
        assert.match(error.message, expected);
        return true;
      },
    );
  });

for (const [what, more, expected] of [
  ["no tokens", { tokens: [] }, /tokens should be texts/],
  [
    "a token that occurs twice",
    { tokens: ["a", "b", "a"], token_type: undefined },
    /has "a" twice, as 0 and 2/,
  ],
  [
    "types of other tokens",
    { token_type: Int32Array.of(1) },
    /token_type should be \d+ whole numbers/,
  ],
  ["no merges", { merges: undefined }, /merges should be texts/],
  [
    "a BOS that is no token",
    { add_bos_token: true, bos_token_id: 9999 },
    /bos_token_id is no token/,
  ],
  [
    "a token of a megabyte",
    { tokens: ["a".repeat(2 ** 20)], token_type: undefined },
    /Expected tokens of at most/,
  ],
  ["a flag that is none", { add_bos_token: 1 }, /add_bos_token should be true or false, got 1/],
  [
    "scores of other tokens",
    { model: "llama", scores: Float32Array.of(1) },
    /scores should be \d+ numbers/,
  ],
  ["long tokens without end", { ...endless() }, /too many long tokens/],
] as const)
  test(`${what}: a clear error`, () => {
    assert.throws(
      () => ggufTokenizerJson(tiny(more)),
      (error: unknown) => {
        assert.ok(error instanceof FormatError, String(error));
        assert.match(error.message, expected);
        return true;
      },
    );
  });

/** Cutting each everywhere would take minutes. */
function endless(): Record<string, unknown> {
  const tokens = Array.from({ length: 1000 }, (_, i) => "a".repeat(3000 + i));
  return { model: "llama", tokens, token_type: undefined, scores: new Float32Array(1000) };
}
