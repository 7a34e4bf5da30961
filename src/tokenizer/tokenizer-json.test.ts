import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { trainBpe } from "./bpe-trainer.ts";
import { createTokenizer } from "./byte-level-tokenizer.ts";
import { createLibraryTokenizer } from "./library.ts";
import { DEEPSEEK_V3_SPLITS, GPT2_SPLIT, QWEN2_SPLIT } from "./pretokenize.ts";
import { parseTokenizerDefinition, parseTokenizerJson } from "./tokenizer-json.ts";
import { toTokenizerJson } from "./tokenizer-json-text.ts";

const TEXT = [
  "In 1815, the 2nd battle wasn't over: they'd 12345 men & 6.5 km to go...\n\n  It  rained.\r\n",
  "Größe, naïve, ÉCOLE; Привет, мир! 你好,世界。こんにちは 🙂🙂 \u200d नमस्ते สวัสดี\t\tx = y[0];\n",
].join("");
const definition = await trainBpe([TEXT, TEXT, TEXT.repeat(2)], { vocabSize: 600 });

/** Texts made of what pre-tokenizers tell apart, and of anything at all. */
const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 80 }),
  fc
    .array(
      fc.constantFrom(
        ..." \t\n\r\u0085\u00a0\ufeff\u3000'sdm.,;aàZ9१½一あア\u0301ि€<|>",
        "🙂",
        "'ll",
        "the ",
        " was",
      ),
      { maxLength: 60 },
    )
    .map((parts) => parts.join("")),
);

test("writing and reading gives the same definition", () => {
  assert.deepEqual(parseTokenizerDefinition(toTokenizerJson(definition)), definition);
});

for (const [name, splits] of Object.entries({
  default: definition.splits,
  "GPT-2": [GPT2_SPLIT],
  Qwen2: [QWEN2_SPLIT],
  "DeepSeek-V3": DEEPSEEK_V3_SPLITS,
})) {
  test(`ids equal the library's on random Unicode (${name} pattern)`, async () => {
    const json = toTokenizerJson({ ...definition, splits });
    const library = await createLibraryTokenizer(JSON.parse(json));
    const tokenizer = await parseTokenizerJson(json);
    fc.assert(
      fc.property(anyText, (text) => {
        const { ids } = library.encode(text, { add_special_tokens: false });
        assert.deepEqual([...tokenizer.encode(text, { allowSpecial: true })], ids);
      }),
      { numRuns: 1500 },
    );
  });
}

test("decoding gives back every well-formed text", async () => {
  const tokenizer = await createTokenizer(definition);
  fc.assert(
    fc.property(anyText, (text) => {
      assert.equal(tokenizer.decode(tokenizer.encode(text)), text.toWellFormed());
    }),
  );
});
