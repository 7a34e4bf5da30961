import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { FormatError, RequestError } from "../errors.ts";
import { buildSplitter, DEFAULT_SPLIT, escapeForRegex } from "./pretokenize.ts";

function pieces(text: string, ...patterns: string[]): string[] {
  const found: string[] = [];
  buildSplitter(patterns)(text, (piece) => found.push(piece));
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

test("words keep the space before them, endings their apostrophe, digits go by three", () => {
  assert.deepEqual(
    pieces("I don't owe 12345 €, they'll say", DEFAULT_SPLIT),
    "I| don|'t| owe| |123|45| €,| they|'ll| say".split("|"),
  );
});

test("the case of a word does not change where it is cut", () => {
  const lengths = (cased: string): number[] =>
    pieces(cased, DEFAULT_SPLIT).map((piece) => piece.length);
  assert.deepEqual(
    lengths("we'll see what they'd say istanbul dungla"),
    lengths("WE'LL SEE WHAT THEY'D SAY ISTANBUL DUNGLA"),
  );
  assert.deepEqual(pieces("it'ſ IT'S", DEFAULT_SPLIT), ["it", "'ſ", " IT", "'S"]);
});

test("marks stay with their letters", () => {
  assert.deepEqual(pieces("नमस्ते दुनिया e\u0301te\u0301", DEFAULT_SPLIT), [
    "नमस्ते",
    " दुनिया",
    " e\u0301te\u0301",
  ]);
});

test("line breaks take the blanks before them, and the last blank goes to the word", () => {
  assert.deepEqual(pieces("a  \n\n   b", DEFAULT_SPLIT), ["a", "  \n\n", "  ", " b"]);
});

test("white space is Unicode's: U+0085 is, U+FEFF is not", () => {
  assert.deepEqual(pieces("\u0085\u0085\ufeff", "\\s+"), ["\u0085\u0085", "\ufeff"]);
});

test("pieces are the matches and what lies between, whatever the pattern matches", () => {
  const anyText = fc.string({
    unit: fc.constantFrom(..."ab1 \n", "é", "🙂", "\ud800"),
    maxLength: 30,
  });
  for (const pattern of ["a", "a+|b", "a*", "(?=b)", "\\s+(?!\\S)|b", "[^a]", "🙂", ""]) {
    fc.assert(
      fc.property(anyText, (text) => {
        assert.deepEqual(
          pieces(text, pattern),
          piecesByMatchAll(text, new RegExp(pattern, "gu")),
          `pattern ${pattern}`,
        );
      }),
      { numRuns: 200 },
    );
  }
});

test("patterns apply one after the other, each within the pieces of the one before", () => {
  assert.deepEqual(pieces("ab12cd", "\\d", "b1|[a-c]"), ["a", "b", "1", "2", "c", "d"]);
});

test("without patterns the text is one piece, and no text is none", () => {
  assert.deepEqual(pieces("a b"), ["a b"]);
  assert.deepEqual(pieces(""), []);
  assert.deepEqual(pieces("", DEFAULT_SPLIT), []);
});

test("an escaped text matches itself and nothing else", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), (text) => {
      assert.deepEqual(pieces(text, escapeForRegex(text)), [text]);
    }),
  );
});

test("a pattern that cannot be compiled is a format error that shows it", () => {
  assert.throws(
    () => buildSplitter(["(a"]),
    (error) => error instanceof FormatError && error.message.includes("(a"),
  );
});

test("a run too long for the regular expression engine is refused by name", () => {
  assert.throws(
    () => pieces("文".repeat(12_000_000), DEFAULT_SPLIT),
    (error) => error instanceof RequestError && error.message.includes("12000000"),
  );
});
