import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import * as fc from "fast-check";
import { InvalidConfigError } from "../errors.ts";
import { trainBpe } from "./bpe-trainer.ts";
import { alphabetChar, spellBytes } from "./byte-alphabet.ts";
import { DEFAULT_SPLIT, buildSplitter } from "./pretokenize.ts";

/**
 * The definition of BPE training, word for word: count every pair in every piece of the text anew
 * for each merge. Shares nothing with the trainer but the pieces.
 */
async function trainSlowly(
  texts: readonly string[],
  { vocabSize, splits }: { vocabSize: number; splits: readonly string[] },
): Promise<{ tokens: string[]; merges: number[] }> {
  const tokens = Array.from({ length: 256 }, (_, byte) => alphabetChar(byte)).toSorted();
  const merges: number[] = [];
  let pieces: number[][] = [];
  const split = await buildSplitter(splits);
  for (const text of texts)
    split(text, (piece) =>
      pieces.push(Array.from(Buffer.from(piece), (byte) => tokens.indexOf(alphabetChar(byte)))),
    );
  while (tokens.length < vocabSize) {
    const counts = new Map<string, number>();
    for (const piece of pieces) {
      for (let i = 0; i + 1 < piece.length; i++) {
        const key = `${piece[i]},${piece[i + 1]}`;
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
    }
    const ranked = [...counts]
      .filter(([, count]) => count >= 2)
      .map(([key, count]) => ({ count, pair: key.split(",").map(Number) as [number, number] }))
      .toSorted((a, b) => b.count - a.count || a.pair[0] - b.pair[0] || a.pair[1] - b.pair[1]);
    if (ranked[0] === undefined) break;
    const [left, right] = ranked[0].pair;
    const token = `${tokens[left]}${tokens[right]}`;
    assert.ok(!tokens.includes(token), "no two merges make the same token");
    const id = tokens.push(token) - 1;
    merges.push(left, right);
    pieces = pieces.map((piece) => {
      const merged: number[] = [];
      for (let i = 0; i < piece.length; i++) {
        if (piece[i] === left && piece[i + 1] === right) {
          merged.push(id);
          i++;
        } else merged.push(piece[i] ?? -1);
      }
      return merged;
    });
  }
  return { tokens, merges };
}

async function assertLikeOracle(
  texts: readonly string[],
  { vocabSize, splits }: { vocabSize: number; splits: readonly string[] },
): Promise<void> {
  const slow = await trainSlowly(texts, { vocabSize, splits });
  const fast = await trainBpe(texts, { vocabSize, splits, specialTokens: [] });
  assert.deepEqual([...fast.merges], slow.merges);
  assert.deepEqual(fast.tokens, slow.tokens);
}

test("merges equal those of recounting everything, on random words of a small alphabet", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: fc.constantFrom("a", "b", "c", " ", "é"), maxLength: 60 })),
      (texts) => assertLikeOracle(texts, { vocabSize: 256 + 60, splits: [DEFAULT_SPLIT] }),
    ),
    { numRuns: 300 },
  ));

test("merges equal those of recounting everything where one character repeats without a cut", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: fc.constantFrom("a", "a", "a", "b"), maxLength: 120 }), {
        maxLength: 4,
      }),
      (texts) => assertLikeOracle(texts, { vocabSize: 256 + 80, splits: [] }),
    ),
    { numRuns: 300 },
  ));

test("merges equal those of recounting everything, on random Unicode", () =>
  fc.assert(
    fc.asyncProperty(fc.array(fc.string({ unit: "binary", maxLength: 40 })), (texts) =>
      assertLikeOracle(texts, { vocabSize: 256 + 40, splits: [DEFAULT_SPLIT] }),
    ),
    { numRuns: 100 },
  ));

test("the order of texts changes nothing", () =>
  fc.assert(
    fc.asyncProperty(fc.array(fc.string({ maxLength: 50 })), async (texts) => {
      const forwards = await trainBpe(texts, { vocabSize: 300 });
      const backwards = await trainBpe(texts.toReversed(), { vocabSize: 300 });
      assert.deepEqual(forwards, backwards);
    }),
    { numRuns: 50 },
  ));

test("the vocabulary is bytes, merges, special tokens, and as large as asked for", async () => {
  const text = "the cat sat on the mat and the rat ate that hat; ".repeat(3);
  const definition = await trainBpe([text], { vocabSize: 270, specialTokens: ["<|a|>", "<|b|>"] });
  assert.equal(definition.tokens.length, 270);
  const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  assert.deepEqual(definition.tokens.slice(0, 256), [...spellBytes(bytes)].toSorted());
  assert.deepEqual(definition.addedTokens, [
    { id: 268, text: "<|a|>", special: true },
    { id: 269, text: "<|b|>", special: true },
  ]);
  assert.equal(definition.merges.length, 2 * (270 - 256 - 2));
});

test("a text without repetition gives a smaller vocabulary instead of useless tokens", async () => {
  const definition = await trainBpe(["abcdefg"], { vocabSize: 1000 });
  assert.deepEqual(definition.tokens.slice(256), ["<|endoftext|>"]);
});

test("texts may come from an async source", async () => {
  const texts = ["low lower lowest", "newer wider low"];
  const source = Readable.from(texts);
  assert.deepEqual(
    await trainBpe(source, { vocabSize: 265 }),
    await trainBpe(texts, { vocabSize: 265 }),
  );
});

test("progress counts characters, then tokens, and ends complete", async () => {
  const seen: string[] = [];
  const text = "progress ".repeat(10);
  await trainBpe([text], {
    vocabSize: 260,
    onProgress: ({ phase, done, total }) => seen.push(`${phase} ${done}/${total}`),
  });
  assert.deepEqual(seen, [`count ${text.length}/0`, "merge 259/259"]);
});

test("a vocabulary too small for the bytes is refused with the numbers", async () => {
  await assert.rejects(
    trainBpe(["x"], { vocabSize: 256 }),
    (error) => error instanceof InvalidConfigError && /257 .* got 256/.test(error.message),
  );
});
