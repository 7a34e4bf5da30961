/**
 * Counts of a text have the bytes that they had on 2026-11-28 (commit 173fd3a), when each row was an object and each pass
 * a walk of its own: packs and models of then and now have one identity. Recorded by this file on that commit.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type CountedText, sortByContext } from "./context-order.ts";
import { buildCountedTable, type BuiltTable } from "./counted-table.ts";
import { DocumentSums } from "./document-sums.ts";
import { ngramBytes } from "./ngrams-in-memory.ts";
import { ngramsOf } from "./ordered-ngrams.ts";

const letters = readFileSync(new URL("../../../assets/tinyshakespeare.txt", import.meta.url));
const narrow = 128;
/** Ids of three bytes. */
const wide = 70_000;

/** Words as ids: many rows have one successor, a few have thousands. */
function words(): CountedText {
  const ids = new Map<string, number>();
  const tokens: number[] = [];
  const starts: number[] = [];
  for (const line of letters.toString("latin1").split("\n\n")) {
    starts.push(tokens.length);
    for (const word of line.split(/(?<=\W)/)) {
      if (!ids.has(word)) ids.set(word, (ids.size * 7919) % wide);
      tokens.push(ids.get(word)!);
    }
  }
  return { tokens: Uint32Array.from(tokens), starts: Uint32Array.from(starts) };
}

const texts = {
  letters: { tokens: Uint16Array.from(letters.subarray(0, 200_000)), starts: Uint32Array.of(0) },
  words: words(),
};
const cut = (sum: ReturnType<typeof createHash>): string => sum.digest("hex").slice(0, 16);

function sumOf({ bytes, offsets, unigrams, discounts, leastGain }: BuiltTable): string {
  const sum = createHash("sha256").update(bytes);
  for (const part of [offsets, unigrams, discounts, Float64Array.of(leastGain)])
    sum.update(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
  return cut(sum);
}

/** Of the n-grams, the whole table, a pruned one, one without a fold, and the sums of documents. */
const expected = {
  letters: {
    3: [
      "3aabe69e6c1841e5",
      "26afd8c053d076a1",
      "bbe4d09c959be456",
      "0bdc55421e45bcc5",
      "b0b8ead5fc29a373",
    ],
    6: [
      "5adb99963409ae02",
      "2b29f320848dddff",
      "d5eb3663f975c5e5",
      "d68ba59dc0b50742",
      "622025c9befc38db",
    ],
  },
  words: {
    3: [
      "cb931ea30ad76a7a",
      "7ca1341f31b6e619",
      "3e2026609c344459",
      "49c56b4f7a60b072",
      "203e1a9c99519925",
    ],
    6: [
      "f3ddd5f3a907091b",
      "f6fba0fd216df9c8",
      "ce09549d124a53be",
      "4bb4b23f70a0aacd",
      "4c4ae81486dbac9e",
    ],
  },
};

for (const [name, text] of Object.entries(texts))
  for (const order of [3, 6] as const)
    test(`of ${name} in n-grams of ${order}`, () => {
      const vocabSize = name === "letters" ? narrow : wide;
      const sorted = sortByContext(text, { order, vocabSize });
      const whole = buildCountedTable(sorted, { vocabSize, discount: 0.5 });
      const bytes = Math.floor(0.3 * whole.bytes.length) + 8 * vocabSize;
      const pruned = buildCountedTable(sorted, { vocabSize, discount: 0.5, prune: { bytes } });
      const except = { from: 1000, to: 90_000 };
      const { leastGain } = pruned;
      const fold = buildCountedTable(sorted, { vocabSize, except, prune: { leastGain } });
      const sums = new DocumentSums({ order, most: 5000 });
      for (const [i, start] of text.starts.entries())
        sums.add(text.tokens.subarray(start, text.starts[i + 1]), i);
      const documents = sums.finish();
      const kind = { order, vocabSize, tokenizer: new Uint8Array(32) };
      const found = [
        cut(createHash("sha256").update(ngramBytes(ngramsOf(sorted), kind))),
        sumOf(whole),
        sumOf(pruned),
        sumOf(fold),
        cut(createHash("sha256").update(new Uint8Array(documents.buffer))),
      ];
      assert.ok(leastGain > 0);
      assert.deepEqual(found, expected[name as "letters"][order]);
    });
