import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { MAX_KEY, type SuccessorEdit } from "./edit.ts";
import { KeyIndex } from "./key-index.ts";

interface Wording extends SuccessorEdit {
  readonly isThere: boolean;
}

/** What `find` promises, by looking at every key. */
function slowFind(wordings: readonly Wording[], text: readonly number[], begin: number) {
  let best: { value: Wording; id: number; length: number } | undefined;
  for (const value of wordings.filter(({ isThere }) => isThere))
    for (let end = value.from; end < value.ids.length; end++) {
      const key = value.ids.slice(Math.max(0, end - MAX_KEY), end);
      const { length } = key;
      if (length > text.length - begin || length < (best?.length ?? 0)) continue;
      if (key.every((id, i) => text[text.length - length + i] === id))
        best = { value, id: value.ids[end]!, length };
    }
  return best;
}

// Few ids, so that keys repeat, are parts of each other, and share their hashes' low bits.
const ids = (most: number) =>
  fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: most, minLength: 2 });
const wording = fc
  .record({ ids: ids(40), at: fc.nat(), isThere: fc.boolean() })
  .map(({ at, ...rest }): Wording => ({ ...rest, from: 1 + (at % (rest.ids.length - 1)) }));

test("the longest key that ends at a position is found, and of equal ones the last", () => {
  fc.assert(
    fc.property(
      fc.array(wording, { maxLength: 30 }),
      ids(50),
      fc.nat(8),
      (wordings, text, begin) => {
        const index = new KeyIndex<Wording>();
        for (const one of wordings) index.add(one, one);
        for (let at = begin; at < text.length; at++)
          assert.deepEqual(
            index.find(text, { at, begin, rank: ({ isThere }) => (isThere ? 0 : -1) }),
            slowFind(wordings, text.slice(0, at + 1), begin),
          );
      },
    ),
    { numRuns: 200 },
  );
});

test("ten thousand wordings are each found, and nothing else is", () => {
  const index = new KeyIndex<number>();
  const textOf = (n: number): number[] => [n % 7, n, 5, n % 3, n + 1, 9, 8];
  for (let n = 0; n < 10_000; n++) index.add({ ids: textOf(n), from: 5 }, n);
  assert.equal(index.size, 20_000);
  const rank = (): number => 0;
  for (let n = 0; n < 10_000; n++) {
    assert.equal(index.find(textOf(n), { at: 4, begin: 0, rank })?.value, n);
    assert.equal(index.find(textOf(n), { at: 5, begin: 0, rank })?.id, 8);
    assert.equal(index.find([1, ...textOf(n).slice(1)], { at: 4, begin: 1, rank }), undefined);
    assert.equal(index.find(textOf(n), { at: 3, begin: 0, rank }), undefined);
  }
});
