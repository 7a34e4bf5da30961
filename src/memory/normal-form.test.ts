import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { normalizeToken } from "./normal-form.ts";

test("strings normalise as with the Rust tokenizers library", () => {
  const golden = new URL("../../test/golden/token-normal-forms.json", import.meta.url);
  const { pairs } = JSON.parse(readFileSync(golden, "utf8")) as { pairs: [string, string][] };
  assert.ok(pairs.length > 1000);
  for (const [text, normal] of pairs)
    assert.equal(normalizeToken(text), normal, JSON.stringify(text));
});

test("the specification's examples come out", () => {
  for (const [text, normal] of [
    [" The", "the"],
    ["THE", "the"],
    ["\u00c9", "e"],
    ["\ufb01n", "fin"],
    ["\u2460", "1"],
    ["\t", " "],
    ["\n\n", " "],
    ["  \r\n ", " "],
    ["\u00a0", " "],
    ["\u3000", " "],
    [" a ", "a"],
    ["a\n b", "a b"],
    ["\u0130", "i"],
    ["\u00df", "\u00df"],
    ["\u0391\u03a3", "\u03b1\u03c3"],
    ["\u03c2", "\u03c2"],
    ["\ud55c", "\u1112\u1161\u11ab"],
    ["\u304c", "\u304b"],
    ["\u0939\u093f\u0928\u094d\u0926\u0940", "\u0939\u0928\u0926"],
    ["\u2122", "tm"],
    ["\u00bd", "1\u20442"],
    [" \u2026", "..."],
    ["\u200b", "\u200b"],
    ["\u00ad", "\u00ad"],
    ["\ufeff", "\ufeff"],
    ["\ue000", " "],
  ] as const)
    assert.equal(normalizeToken(text), normal, JSON.stringify(text));
});

test("texts of marks or of white space that is not collapsed leave nothing", () => {
  assert.equal(normalizeToken("\u0301"), "");
  assert.equal(normalizeToken("\u0085"), "");
  assert.equal(normalizeToken("\v\f"), "");
  assert.equal(normalizeToken(""), "");
});
