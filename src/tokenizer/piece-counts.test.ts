import assert from "node:assert/strict";
import { test } from "node:test";
import { countPieces } from "./piece-counts.ts";
import type { PieceCounts } from "./piece-counts.ts";

function byPiece({ bytes, starts, counts }: PieceCounts): Record<string, number> {
  return Object.fromEntries(
    Array.from(counts, (count, i) => [
      Buffer.from(bytes.subarray(starts[i], starts[i + 1])).toString(),
      count,
    ]),
  );
}

test("pieces are counted over all texts", async () => {
  const counts = await countPieces(["a b a", "b", "", "extraordinarily b extraordinarily"], {
    splits: ["[a-z]+"],
  });
  assert.deepEqual(byPiece(counts), { a: 2, " ": 4, b: 3, extraordinarily: 2 });
});

test("lone surrogates count as the U+FFFD that they are in UTF-8", async () => {
  const long = "x".repeat(20);
  const counts = await countPieces([`${long}\ud800`, `${long}\udc00`], { splits: [] });
  assert.deepEqual(byPiece(counts), { [`${long}\ufffd`]: 2 });
});

test("with too many different pieces the rarest are dropped first", async () => {
  const common = "often ".repeat(50);
  const rare = Array.from({ length: 300 }, (_, i) => `rare${i} `).join("");
  // Each rare piece comes once, then twice in a row: neither kind may fill the map.
  for (const text of [rare, rare.replace(/\w+ /g, "$&$&")]) {
    const counts = await countPieces([common, text, common], {
      splits: ["[a-z0-9]+ "],
      maxPieces: 40,
    });
    assert.equal(byPiece(counts)["often "], 100);
    assert.ok(counts.counts.length <= 40);
  }
});
