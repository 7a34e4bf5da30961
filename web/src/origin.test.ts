import assert from "node:assert/strict";
import { test } from "node:test";
import type { RowReport } from "../../src/inspect/report.ts";
import { originOf } from "./origin.ts";
import type { LayerView } from "./token-view.ts";

const order = (tokens: (string | undefined)[], rows: number[]) => ({
  order: tokens.length,
  tokens,
  compressed: tokens.map((text) => text?.charCodeAt(0)),
  rows: rows.map((row, head) => ({ head, row, norm: 1, column: {} as never })),
});
const layers = [
  { layer: 1, gates: [0.5], written: 1, stream: 1, orders: [order(["J", "u"], [132, 7])] },
] as unknown as LayerView[];

function rowOf(row: number, ngrams: [string, number][], distinct: number): [string, RowReport] {
  const corpus = {
    distinct,
    count: ngrams.reduce((sum, [, count]) => sum + count, 0),
    ngrams: ngrams.map(([text, count]) => ({
      texts: [...text],
      compressed: [...text].map((letter) => letter.charCodeAt(0)),
      count,
    })),
    used_rows: 1,
    column_rows: 1,
  };
  return [`1:${row}`, { row, order: 2, head: 0, corpus }];
}

test("the row that is most the n-gram's own, with who else is on it", () => {
  const tenants = new Map([
    rowOf(132, [["ab", 62], ["Ju", 54], ["cd", 19]], 12), // oxfmt-ignore
    rowOf(7, [["xy", 100], ["Ju", 54]], 2), // oxfmt-ignore
  ]);
  const found = originOf(layers, tenants)!;
  assert.equal(found.row, 132);
  assert.equal(found.count, 54);
  assert.equal(found.share, 54 / 135);
  assert.deepEqual(found.other!.texts, ["a", "b"]);
  assert.equal(found.more, 10);
});

test("an n-gram that stands nowhere has a share of nothing; without a corpus nothing is said", () => {
  const found = originOf(layers, new Map([rowOf(132, [["ab", 3]], 1)]))!;
  assert.equal(found.count, 0);
  assert.equal(found.share, 0);
  assert.equal(found.more, 0);
  assert.equal(originOf(layers, new Map()), undefined);
  assert.equal(originOf([], new Map()), undefined);
});
