import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { formatAblation, isWithout, noAblation, parseAblation, toggleRead } from "./ablation.ts";
import { describeAblation } from "./ablation-words.ts";

const numbers = fc.uniqueArray(fc.nat(1000), { maxLength: 4 });
const plain = { noNullPrototype: true };
const ablations = fc.record(
  {
    layers: numbers,
    orders: numbers,
    heads: numbers,
    rows: fc.array(fc.record({ layer: fc.nat(60), row: fc.nat(2 ** 31 - 1) }, plain), {
      maxLength: 4,
    }),
    counts: numbers,
    contexts: fc.array(fc.array(fc.nat(200_000), { minLength: 1, maxLength: 5 }), { maxLength: 3 }),
  },
  plain,
);

test("what an address says is what was taken away", () => {
  fc.assert(
    fc.property(ablations, (ablate) => {
      assert.deepEqual(parseAblation(formatAblation(ablate)), ablate);
    }),
  );
});

test("an address from anywhere gives parts or nothing, and never fails", () => {
  for (const text of [
    "",
    "x",
    "l",
    "r5",
    "l-1",
    "c",
    "n",
    "c-1",
    "h1.5e9999999999999999999",
    "<script>",
  ])
    assert.ok(parseAblation(text).rows.length === 0);
  assert.deepEqual(parseAblation("l"), noAblation);
});

test("rows are taken away and put back", () => {
  const row = { layer: 1, row: 7 };
  const once = toggleRead(noAblation, { rows: [row] });
  assert.deepEqual(once.rows, [row]);
  assert.deepEqual(toggleRead(once, { rows: [row] }), noAblation);
  const others = [row, { layer: 1, row: 8 }, { layer: 2, row: 7 }];
  const all = toggleRead(once, { rows: others });
  assert.deepEqual(all.rows, others);
  assert.deepEqual(toggleRead(all, { rows: [row, others[2]!] }).rows, [others[1]]);
  assert.equal(describeAblation({ ...once, heads: [0, 2] }), "heads 0, 2; row 7");
});

test("what was read at one place is forgotten together, and comes back together", () => {
  const read = { rows: [{ layer: 1, row: 7 }], contexts: [[5], [4, 5]] };
  const other = { ...noAblation, rows: [{ layer: 2, row: 7 }], contexts: [[5]] };
  const gone = toggleRead(other, read);
  assert.ok(isWithout(gone, read) && !isWithout(other, read));
  assert.deepEqual(gone.contexts, [[5], [4, 5]]);
  assert.deepEqual(toggleRead(gone, read), { ...other, contexts: [] });
  assert.ok(!isWithout(noAblation, { rows: [], contexts: [] }));
  assert.equal(describeAblation(gone), "rows 7, 7; the counts behind 2 contexts");
});
