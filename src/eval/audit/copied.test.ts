import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { LEAST_RUN, longestRuns } from "./copied.ts";

const ids = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 30 });

function streamOf(documents: readonly (readonly number[])[]) {
  const tokens = documents.flatMap((document) => [0, ...document]);
  const starts = [...tokens.keys()].filter((t) => tokens[t] === 0);
  return { tokens: Uint16Array.from(tokens), starts: Uint32Array.from(starts), numBytes: 1 };
}

test("the longest runs are those that searching strings finds", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(ids, { minLength: 1, maxLength: 3 }),
      fc.array(ids, { minLength: 1, maxLength: 3 }),
      async (texts, documents) => {
        const found = await longestRuns(texts, streamOf(documents));
        const sources = documents.map((document) => `0${document.join("")}`);
        for (const [i, text] of texts.entries()) {
          let longest = 0;
          for (let from = 0; from < text.length; from++)
            for (let to = from + 1; to <= text.length; to++)
              if (sources.some((source) => source.includes(text.slice(from, to).join(""))))
                longest = Math.max(longest, to - from);
          const run = found[i];
          if (longest < LEAST_RUN) assert.equal(run, undefined);
          else {
            assert.equal(run!.to - run!.from, longest);
            const copied = text.slice(run!.from, run!.to).join("");
            assert.ok(sources.some((source) => source.includes(copied)));
          }
        }
      },
    ),
    { numRuns: 300 },
  );
});

test("the search can be stopped", async () => {
  const signal = AbortSignal.abort();
  await assert.rejects(longestRuns([[1]], streamOf([[1, 2, 3, 1, 2]]), { signal }), /aborted/i);
});
