import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parseTokenizerDefinition, parseTokenizerJson, toTokenizerJson } from "./index.ts";

/** What the Rust library made, see test/golden/tokenizer/README.md. */
interface Golden {
  families: {
    name: string;
    tokenizer: object;
    cases: {
      added_tokens: object[];
      strings: string[];
      /** Special tokens found in the text; taken as text (null: the same). */
      ids: number[][];
      plain: (number[] | null)[];
    }[];
  }[];
}

const { families } = JSON.parse(
  readFileSync(new URL("../../test/golden/tokenizer/added-tokens.json", import.meta.url), "utf8"),
) as Golden;

for (const { name, tokenizer: json, cases } of families)
  test(`added tokens of every kind are found as the Rust library finds them (${name})`, async () => {
    for (const { added_tokens, strings, ids, plain } of cases) {
      const text = JSON.stringify({ ...json, added_tokens });
      const definition = parseTokenizerDefinition(text);
      const readers = [await parseTokenizerJson(text)];
      // Written and read again, nothing of them is lost.
      if (definition !== undefined)
        readers.push(await parseTokenizerJson(toTokenizerJson(definition)));
      for (const tokenizer of readers)
        for (const [i, string] of strings.entries()) {
          const what = `${JSON.stringify(string)} with ${JSON.stringify(added_tokens)}`;
          assert.deepEqual([...tokenizer.encode(string, { allowSpecial: true })], ids[i], what);
          assert.deepEqual([...tokenizer.encode(string)], plain[i] ?? ids[i], what);
        }
    }
  });
