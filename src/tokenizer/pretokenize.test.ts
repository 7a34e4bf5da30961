import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { FormatError, RequestError } from "../errors.ts";
import { translatePattern } from "./library.ts";
import {
  buildSplitter,
  DEFAULT_SPLIT,
  escapeForRegex,
  KNOWN_SPLITS,
  translateKnown,
} from "./pretokenize.ts";

async function pieces(text: string, ...patterns: string[]): Promise<string[]> {
  const found: string[] = [];
  (await buildSplitter(patterns))(text, (piece) => found.push(piece));
  return found;
}

/** Matches and the stretches between them, by the regular expression's own iteration. */
function piecesByMatchAll(text: string, pattern: RegExp): string[] {
  const found: string[] = [];
  let at = 0;
  for (const match of text.matchAll(pattern)) {
    found.push(text.slice(at, match.index), match[0]);
    at = match.index + match[0].length;
  }
  return [...found, text.slice(at)].filter((piece) => piece !== "");
}

test("words keep the space before them, endings their apostrophe, digits go by three", async () => {
  assert.deepEqual(
    await pieces("I don't owe 12345 €, they'll say", DEFAULT_SPLIT),
    "I| don|'t| owe| |123|45| €,| they|'ll| say".split("|"),
  );
});

test("the case of a word does not change where it is cut", async () => {
  const lengths = async (cased: string): Promise<number[]> =>
    (await pieces(cased, DEFAULT_SPLIT)).map((piece) => piece.length);
  assert.deepEqual(
    await lengths("we'll see what they'd say istanbul dungla"),
    await lengths("WE'LL SEE WHAT THEY'D SAY ISTANBUL DUNGLA"),
  );
  assert.deepEqual(await pieces("it'ſ IT'S", DEFAULT_SPLIT), ["it", "'ſ", " IT", "'S"]);
});

test("marks stay with their letters", async () => {
  assert.deepEqual(await pieces("नमस्ते दुनिया e\u0301te\u0301", DEFAULT_SPLIT), [
    "नमस्ते",
    " दुनिया",
    " e\u0301te\u0301",
  ]);
});

test("line breaks take the blanks before them, and the last blank goes to the word", async () => {
  assert.deepEqual(await pieces("a  \n\n   b", DEFAULT_SPLIT), ["a", "  \n\n", "  ", " b"]);
});

test("the patterns that are known here are translated as the library translates them", async () => {
  assert.equal(KNOWN_SPLITS.size, 8);
  for (const pattern of KNOWN_SPLITS) {
    const { source, flags } = (await translatePattern(pattern))!;
    assert.deepEqual(
      [translateKnown(pattern).source, translateKnown(pattern).flags],
      [source, flags],
    );
  }
});

test("white space is Unicode's: U+0085 is, U+FEFF is not", async () => {
  assert.deepEqual(await pieces("\u0085\u0085\ufeff", "\\s+"), ["\u0085\u0085", "\ufeff"]);
});

test("pieces are the matches and what lies between, whatever the pattern matches", async () => {
  const anyText = fc.string({
    unit: fc.constantFrom(..."ab1 \n", "é", "🙂", "\ud800"),
    maxLength: 30,
  });
  for (const pattern of ["a", "a+|b", "a*", "(?=b)", "\\s+(?!\\S)|b", "[^a]", "🙂", ""]) {
    await fc.assert(
      fc.asyncProperty(anyText, async (text) => {
        assert.deepEqual(
          await pieces(text, pattern),
          piecesByMatchAll(text, new RegExp(pattern, "gu")),
          `pattern ${pattern}`,
        );
      }),
      { numRuns: 200 },
    );
  }
});

test("patterns apply one after the other, each within the pieces of the one before", async () => {
  assert.deepEqual(await pieces("ab12cd", "\\d", "b1|[a-c]"), ["a", "b", "1", "2", "c", "d"]);
});

test("without patterns the text is one piece, and no text is none", async () => {
  assert.deepEqual(await pieces("a b"), ["a b"]);
  assert.deepEqual(await pieces(""), []);
  assert.deepEqual(await pieces("", DEFAULT_SPLIT), []);
});

test("an escaped text matches itself and nothing else", async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ minLength: 1 }), async (text) => {
      assert.deepEqual(await pieces(text, escapeForRegex(text)), [text]);
    }),
  );
});

test("a pattern that cannot be compiled is a format error that shows it", async () => {
  await assert.rejects(
    buildSplitter(["(a"]),
    (error) => error instanceof FormatError && error.message.includes("(a"),
  );
});

test("a run too long for the regular expression engine is refused by name", async () => {
  await assert.rejects(
    pieces("文".repeat(12_000_000), DEFAULT_SPLIT),
    (error) => error instanceof RequestError && error.message.includes("12000000"),
  );
});
