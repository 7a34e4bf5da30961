import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { excerptOf, excerptsOf } from "./excerpt.ts";

test("an excerpt begins at a paragraph and ends at a line", () => {
  const speech = "ROMEO:\nBut, soft! what light through yonder window breaks?\n";
  const text = `the end of a speech.\n\n${speech}${"It is the east, and Juliet is the sun.\n".repeat(9)}`;
  const excerpt = excerptOf(text);
  assert.ok(excerpt.startsWith(speech));
  assert.ok(excerpt.endsWith("and Juliet is the sun."));
});

test("a paragraph that does not fit is left out, unless half of the room would stay empty", () => {
  const line = "But, soft! what light through yonder window breaks?\n";
  assert.equal(
    excerptOf(`its end.\n\n${line.repeat(3)}\n${line.repeat(9)}`),
    line.repeat(3).trimEnd(),
  );
  assert.equal(
    excerptOf(`its end.\n\nAct II.\n\n${line.repeat(9)}`),
    `Act II.\n\n${line.repeat(4)}`.trimEnd(),
  );
});

test("where there are no lines it ends at a sentence, where there are none at a word", () => {
  const sentence = "The cat sat on the mat and slept. ";
  assert.equal(excerptOf(sentence.repeat(20)), sentence.repeat(7).trim());
  const words = excerptOf("meow ".repeat(100));
  assert.ok(words.endsWith("meow") && words.length > 200);
});

test("it is a part of the text, short, and breaks no character", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 900 }), (text) => {
      const excerpt = excerptOf(text);
      assert.ok(text.includes(excerpt) && excerpt.length <= 240 && excerpt.isWellFormed());
      if (text.trim() !== "") assert.notEqual(excerpt, "");
    }),
  );
  assert.ok(excerptOf("\u{1F600}".repeat(500)).isWellFormed());
});

test("three places of a text, each from where a paragraph or a line begins", () => {
  const lines = Array.from({ length: 90 }, (_, i) => `Line ${i} of the play.\n`);
  const text = lines.toSpliced(40, 0, "\n").join("");
  const excerpts = excerptsOf((share) => text.slice(share * text.length));
  assert.deepEqual(
    excerpts.map((excerpt) => excerpt.split("\n")[0]),
    ["Line 0 of the play.", "Line 40 of the play.", "Line 61 of the play."],
  );
  assert.deepEqual(
    excerptsOf(() => "short"),
    ["short"],
  );
  assert.deepEqual(
    excerptsOf(() => ""),
    [],
  );
});
