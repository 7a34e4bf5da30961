import assert from "node:assert/strict";
import test from "node:test";
import * as fc from "fast-check";
import { FormatError } from "../errors.ts";
import { splitArray, splitLines } from "./json-framing.ts";

async function parsed(texts: AsyncIterable<string>): Promise<unknown[]> {
  const values: unknown[] = [];
  for await (const text of texts) values.push(JSON.parse(text));
  return values;
}

/** `text` in pieces of the given lengths, and what is left. */
async function* cut(text: string, lengths: readonly number[]): AsyncGenerator<string> {
  let at = 0;
  for (const length of lengths) yield text.slice(at, (at += length));
  yield text.slice(at);
}

const lengths = fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 40 });
/** Strings made of what framing could trip over. */
const awkward = fc
  .array(
    fc.constantFrom(
      "\n",
      "\r",
      "\u2028",
      "\u2029",
      "\u0085",
      '"',
      "\\",
      "[",
      "]",
      "{",
      "}",
      ",",
      "a",
      "🙂",
    ),
    {
      maxLength: 12,
    },
  )
  .map((parts) => parts.join(""));

test("lines of JSON come out as they went in, however the text is cut", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(awkward, { minLength: 1 }), lengths, async (texts, pieces) => {
      const file = texts.map((text) => JSON.stringify({ text })).join("\n");
      const values = await parsed(splitLines(cut(file, pieces)));
      assert.deepEqual(
        values,
        texts.map((text) => ({ text })),
      );
    }),
  );
});

test("elements of an array come out as JSON.parse finds them, however the text is cut", async () => {
  const value = fc.record({ text: awkward, more: fc.jsonValue({ maxDepth: 3 }) });
  await fc.assert(
    fc.asyncProperty(
      fc.array(value),
      fc.constantFrom(undefined, 2),
      lengths,
      async (values, indent, pieces) => {
        const file = ` ${JSON.stringify(values, undefined, indent)}\n`;
        assert.deepEqual(await parsed(splitArray(cut(file, pieces))), JSON.parse(file));
      },
    ),
  );
});

test("text that is not one array of documents is refused or left for the parser to refuse", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom("[", "]", "{", "}", ",", '"', "\\", "1", " ", "\n"), {
        maxLength: 14,
      }),
      lengths,
      async (parts, pieces) => {
        const file = `[${parts.join("")}`;
        const isJson = ((): boolean => {
          try {
            JSON.parse(file);
            return true;
          } catch {
            return false;
          }
        })();
        let accepted = true;
        try {
          await parsed(splitArray(cut(file, pieces)));
        } catch (error) {
          assert.ok(error instanceof FormatError || error instanceof SyntaxError, String(error));
          accepted = false;
        }
        assert.equal(accepted, isJson, file);
      },
    ),
    { numRuns: 2000 },
  );
});
