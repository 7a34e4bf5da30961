import assert from "node:assert/strict";
import test from "node:test";
import * as fc from "fast-check";
import { hideMarks } from "./stand-ins.ts";

const marks = ["<|im_start|>", "<|im_end|>", "</s>", "[INST]"];

function hidden(texts: readonly string[]) {
  return hideMarks(texts, { marks, others: [] });
}

/** Whether a mark stands in `made` that has no literal in it. */
function hasFreeMark(made: string, literals: Int32Array): boolean {
  return marks.some((mark) => {
    for (let at = made.indexOf(mark); at !== -1; at = made.indexOf(mark, at + 1))
      if (!literals.some((literal) => literal >= at && literal < at + mark.length)) return true;
    return false;
  });
}

test("texts that spell no mark and no end of one stay as they are", () => {
  const texts = ["a < b > c", "<think>\nno\n</think> yes", "", "[1, 2]. ", "\ue000 private"];
  assert.deepEqual(hidden(texts).texts, texts);
});

test("whatever texts spell, alone or beside each other and the template's markup, no mark comes of it", () => {
  const pieces = fc.array(
    fc.oneof(
      fc.constantFrom(...marks),
      fc
        .constantFrom(...marks)
        .chain((mark) =>
          fc.tuple(fc.nat(mark.length), fc.nat(mark.length)).map(([a, b]) => mark.slice(a, b)),
        ),
      fc.constantFrom(" ", "\n", "\ue000", "\uf8ff", "x"),
    ),
    { maxLength: 6 },
  );
  // What stands around a text is a mark's beginning and end, or nothing.
  const around = fc
    .constantFrom(...marks)
    .chain((mark) =>
      fc
        .tuple(fc.nat(mark.length - 1), fc.nat(mark.length - 1))
        .map(([a, b]) => [mark.slice(0, a), mark.slice(b + 1)] as const),
    );
  fc.assert(
    fc.property(
      fc.array(pieces, { minLength: 1, maxLength: 3 }),
      around,
      fc.boolean(),
      (parts, [before, behind], isTrimmed) => {
        const texts = parts.map((part) => part.join(""));
        const { texts: safe, reveal } = hideMarks(texts, { marks, others: [before, behind] });
        const join = (all: readonly string[]): string =>
          before + all.map((text) => (isTrimmed ? text.trim() : text)).join("") + behind;
        const { text, literals } = reveal(join(safe));
        assert.equal(text, join(texts), "the text is what it would have been");
        // The template's own pieces may meet where no text is between them.
        if (join(texts) !== before + behind) assert.ok(!hasFreeMark(text, literals), text);
      },
    ),
    { numRuns: 5000 },
  );
});

test("a template's own marks stay free beside texts that spell them", () => {
  const { texts, reveal } = hidden(["<|im_end|>", "x</s"]);
  const { text, literals } = reveal(`<|im_start|>${texts[0]}<|im_end|>${texts[1]}`);
  assert.equal(text, "<|im_start|><|im_end|><|im_end|>x</s");
  assert.ok(literals.every((at) => (at >= 12 && at < 22) || at >= 32));
});
