import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { Random } from "../numerics/index.ts";
import { countOfCode, countUses, hottestRows } from "./index.ts";

test("codes count exactly to 32, then by eighths of a doubling", () => {
  for (const code of [0, 1, 17, 32]) assert.equal(countOfCode(code), code);
  assert.equal(countOfCode(40), 64);
  assert.equal(countOfCode(48), 128);
  assert.ok(countOfCode(255) > 7.8e9 && countOfCode(255) < 7.95e9);
});

test("counts of rows used often are right on average, and near it each", () => {
  const numRows = 200;
  const uses = 5000;
  const codes = new Uint8Array(numRows);
  const unique = Uint32Array.from({ length: numRows }, (_, i) => 7 * i);
  const index = Uint32Array.from({ length: numRows }, (_, i) => i);
  for (let turn = 0; turn < uses; turn++) countUses(codes, { unique, index, turn });
  const counts = Array.from(codes, countOfCode);
  const mean = counts.reduce((a, b) => a + b, 0) / numRows;
  assert.ok(Math.abs(mean / uses - 1) < 0.05, `mean ${mean}`);
  // Morris with base b = 2^(1/8): relative deviation about sqrt((b - 1) / 2) = 0.21.
  for (const count of counts) assert.ok(count > uses / 3 && count < uses * 3, String(count));
});

test("the same batches give the same codes, in one run or two", () => {
  const batch = (turn: number) => ({
    unique: Uint32Array.of(3, 9, 2 ** 32 - 2),
    index: Uint32Array.from({ length: 60 }, (_, i) => (i * turn) % 3),
    turn,
  });
  const whole = new Uint8Array(3);
  for (let turn = 0; turn < 40; turn++) countUses(whole, batch(turn));
  const first = new Uint8Array(3);
  for (let turn = 0; turn < 17; turn++) countUses(first, batch(turn));
  const resumed = first.slice();
  for (let turn = 17; turn < 40; turn++) countUses(resumed, batch(turn));
  assert.deepEqual(resumed, whole);
});

test("the hottest rows are those that sorting finds, whatever the pieces", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 60 }),
      fc.integer({ min: 0, max: 70 }),
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 9 }),
      async (codes, most, pieceLength, sliceRows) => {
        const pieces = function* (): Generator<Uint8Array> {
          for (let at = 0; at < codes.length; at += pieceLength)
            yield Uint8Array.from(codes.slice(at, at + pieceLength));
        };
        const rows: number[] = [];
        const counts: number[] = [];
        for await (const slice of hottestRows(pieces, { most, sliceRows })) {
          assert.ok(slice.rows.length > 0 && slice.rows.length <= sliceRows);
          rows.push(...slice.rows);
          counts.push(...slice.counts);
        }
        const expected = codes
          .map((code, row) => ({ code, row }))
          .filter(({ code }) => code > 0)
          .toSorted((a, b) => b.code - a.code || a.row - b.row)
          .slice(0, most);
        // Counts of the largest codes are cut off and so alike: codes say which row is hotter.
        const order = rows
          .map((_, i) => i)
          .toSorted((a, b) => codes[rows[b]!]! - codes[rows[a]!]! || rows[a]! - rows[b]!);
        assert.deepEqual(
          order.map((i) => rows[i]),
          expected.map(({ row }) => row),
        );
        assert.deepEqual(
          order.map((i) => counts[i]),
          expected.map(({ code }) => Math.min(2 ** 32 - 1, Math.round(countOfCode(code)))),
        );
      },
    ),
  );
});

test("the hottest sixty-fourth, sixteenth and quarter come first, each in the order they lie in", async () => {
  const random = Random.fromSeed(1, "bands");
  // Every code, few of each, as Zipf's law has it where it matters.
  const codes = Uint8Array.from({ length: 20_000 }, () => 1 + Math.floor(255 * random.uniform()));
  const most = 6400;
  const rows: number[] = [];
  for await (const slice of hottestRows(() => [codes], { most, sliceRows: 50 }))
    rows.push(...slice.rows);
  assert.equal(rows.length, most);
  const largest = codes.toSorted().toReversed();
  // Bands end where a code ends, so they are larger than their share by less than one code's rows.
  const slack = 130;
  for (const share of [1 / 64, 1 / 16, 1 / 4]) {
    const first = rows.slice(0, share * most);
    assert.ok(first.every((row) => codes[row]! >= largest[share * most + slack]!));
  }
  const descents = rows.filter((row, i) => i > 0 && row < rows[i - 1]!).length;
  assert.equal(descents, 3);
});
