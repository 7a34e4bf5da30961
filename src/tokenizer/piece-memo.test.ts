import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { PieceMemo } from "./piece-memo.ts";

const idsOf = (n: number): Int32Array =>
  n % 3 === 0 ? Int32Array.of(n, n + 1, n + 2) : Int32Array.of(n);

test("what is found for a piece was set for that piece, and most of as many as the cache is made for", () => {
  const memo = new PieceMemo();
  const numPieces = 60_000;
  for (let n = 0; n < numPieces; n++) {
    assert.equal(memo.get(`piece${n}`), undefined);
    memo.set(`piece${n}`, idsOf(n));
  }
  let numFound = 0;
  for (let n = 0; n < numPieces; n++) {
    const found = memo.get(`piece${n}`);
    if (found === undefined) continue;
    numFound++;
    assert.deepEqual(typeof found === "number" ? Int32Array.of(found) : found, idsOf(n));
  }
  // With sums like chance, 0.8 of them have a place that no later one took.
  assert.ok(numFound > 0.75 * numPieces, `${numFound} of ${numPieces}`);
});

test("pieces of any UTF-16 units are told apart, lone surrogates too", () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.string({ unit: "binary", maxLength: 64 })), (pieces) => {
      const memo = new PieceMemo();
      for (const [n, piece] of pieces.entries()) {
        memo.set(piece, Int32Array.of(n));
        assert.equal(memo.get(piece), n);
        for (const [m, other] of pieces.entries())
          assert.ok([m <= n ? m : undefined, undefined].includes(memo.get(other) as number));
      }
    }),
    { numRuns: 50 },
  );
  const memo = new PieceMemo();
  memo.set("\ud800", Int32Array.of(1));
  assert.equal(memo.get("\ud801"), undefined);
});

test("ids are kept though their array is used again, and a long piece is not kept", () => {
  const memo = new PieceMemo();
  const ids = Int32Array.of(4, 5);
  memo.set("word", ids);
  ids.fill(0);
  assert.deepEqual(memo.get("word"), Int32Array.of(4, 5));
  memo.set("x".repeat(65), Int32Array.of(8));
  assert.equal(memo.get("x".repeat(65)), undefined);
});
