import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { indexCorpus, readCorpusIndex } from "../../memory/index.ts";
import { exposures, indexedExposures, recurrences } from "./exposure.ts";

interface Text {
  readonly documents: number[][];
}

const texts: fc.Arbitrary<Text> = fc.record({
  documents: fc.array(fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 40 }), {
    minLength: 1,
    maxLength: 4,
  }),
});

/** Documents as training packs them, each behind its end-of-text token 0. */
function streamOf({ documents }: Text) {
  const tokens = documents.flatMap((ids) => [0, ...ids]);
  const starts: number[] = [];
  for (const [i, id] of tokens.entries()) if (id === 0) starts.push(i);
  return { tokens: Uint16Array.from(tokens), starts: Uint32Array.from(starts), numBytes: 1 };
}

/** The n ids before token t of a stream, if they are all of its document. */
function ngramBefore(tokens: Uint16Array, t: number, n: number): string | undefined {
  const ngram = [...tokens.subarray(Math.max(0, t - n), t)];
  const isWhole = ngram.length === n && ngram.lastIndexOf(0) <= 0;
  return isWhole ? ngram.join(" ") : undefined;
}

test("exposure counts n-grams and what followed them, as strings do", async () => {
  await fc.assert(
    fc.asyncProperty(texts, texts, async (scored, trained) => {
      const stream = streamOf(scored);
      const other = streamOf(trained);
      const at = Uint32Array.from([...stream.tokens.keys()].filter((t) => stream.tokens[t] !== 0));
      const found = await exposures(stream, other, { at, orders: [2, 3], vocabSize: 5 });
      for (const { order, counts, continued } of found)
        for (const [i, t] of at.entries()) {
          const ngram = ngramBefore(stream.tokens, t, order);
          let count = 0;
          let same = 0;
          // Ends of documents are places where the n-gram was read, too.
          for (let u = 1; u <= other.tokens.length; u++)
            if (ngram !== undefined && ngramBefore(other.tokens, u, order) === ngram) {
              count++;
              if (other.tokens[u] === stream.tokens[t]) same++;
            }
          assert.deepEqual([counts[i], continued![i]], [count, same], `token ${t}, order ${order}`);
        }
    }),
    { numRuns: 60 },
  );
});

test("an index in place of the text gives the same of what it has, and no more", async () => {
  // Ids 3 and 4 are one to the memory.
  const map = Int32Array.from([0, 1, 2, 3, 3]);
  const tokenMap = { map, compressedVocabSize: 4 } as Parameters<typeof indexCorpus>[1]["tokenMap"];
  const alike = ({ documents }: Text) =>
    streamOf({ documents: documents.map((ids) => ids.map((id) => map[id]!)) });
  await fc.assert(
    fc.asyncProperty(
      texts,
      texts,
      fc.integer({ min: 1, max: 200 }),
      async (scored, trained, mostBytes) => {
        const stream = streamOf(scored);
        const at = Uint32Array.from([...stream.tokens.keys()].slice(1));
        const options = { at, orders: [2, 3], vocabSize: 5 };
        const whole = await exposures(alike(scored), alike(trained), options);
        const bytes = await indexCorpus(streamOf(trained), {
          order: 3,
          vocabSize: 5,
          tokenMap,
          tokenizer: new Uint8Array(32),
          name: "",
          mostBytes: 150 + mostBytes,
        });
        const index = readCorpusIndex(bytes, { order: 3, tokenMap });
        const known = await indexedExposures(stream, index, options);
        const { least } = index.facts;
        const kept = (counts: Uint32Array) => counts.map((n) => (n < least ? 0 : n));
        assert.deepEqual(
          known.map(({ order, counts, continued }) => [order, counts, continued]),
          whole.map(({ order, counts, continued }) => [
            order,
            kept(counts),
            order === 2 ? kept(continued!) : undefined,
          ]),
        );
      },
    ),
    { numRuns: 60 },
  );
});

test("recurrence looks at the window and the document, and not past either", async () => {
  await fc.assert(
    fc.property(
      texts,
      fc.integer({ min: 2, max: 3 }),
      fc.integer({ min: 3, max: 12 }),
      (text, order, length) => {
        const stream = streamOf(text);
        const at: number[] = [];
        const windowStarts: number[] = [];
        for (const [t, id] of stream.tokens.entries())
          if (id !== 0) {
            at.push(t);
            windowStarts.push(Math.max(0, t - length - (t % 2)));
          }
        for (let i = 1; i < at.length; i++)
          windowStarts[i] = Math.max(windowStarts[i]!, windowStarts[i - 1]!);
        const found = recurrences(stream, {
          at: Uint32Array.from(at),
          windowStarts: Uint32Array.from(windowStarts),
          order,
          vocabSize: 5,
        });
        const expected = at.map((t, i) => {
          const begin = Math.max(windowStarts[i]!, stream.tokens.lastIndexOf(0, t));
          const window = [...stream.tokens.subarray(begin, t)];
          if (window.length < order) return "new";
          const ngram = window.slice(-order).join(" ");
          let state = "new";
          for (let end = order; end < window.length; end++)
            if (window.slice(end - order, end).join(" ") === ngram) {
              if (window[end] === stream.tokens[t]) return "again";
              state = "otherwise";
            }
          return state;
        });
        assert.deepEqual(found, expected);
      },
    ),
    { numRuns: 200 },
  );
});

test("counting can be stopped", async () => {
  const stream = streamOf({ documents: [[1, 2, 3]] });
  const options = { at: Uint32Array.of(2), orders: [2], vocabSize: 5 };
  await assert.rejects(
    exposures(stream, stream, { ...options, signal: AbortSignal.abort() }),
    /aborted/i,
  );
});
