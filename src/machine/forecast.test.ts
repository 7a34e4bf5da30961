import assert from "node:assert/strict";
import test from "node:test";
import * as fc from "fast-check";
import { forecast, type ForecastInput, timeOfRows } from "./index.ts";

const memory = [
  { rows: 1, mean: 0.001, p99: 0.002 },
  { rows: 16, mean: 0.004, p99: 0.01 },
];
const disk = [
  { rows: 1, mean: 0.1, p99: 0.4 },
  { rows: 4, mean: 0.16, p99: 0.5 },
  { rows: 16, mean: 0.4, p99: 0.9 },
];
const compute = { mean: 2, p99: 2.3 };

test("with the table in memory a token waits for its rows there and for nothing else", () => {
  const found = forecast({ rowsPerToken: 16, compute, memory, hitRate: 1 });
  assert.deepEqual(found.stall, { mean: 0.004, p99: 0.01 });
  assert.ok(Math.abs(found.token.mean - 2.004) < 1e-12);
  assert.ok(Math.abs(found.token.p99 - (2.004 + Math.hypot(0.3, 0.006))) < 1e-12);
  assert.ok(Math.abs(found.tokensPerSecond - 1000 / 2.004) < 1e-9);
});

test("when every row is missed a token waits for all of them at once", () => {
  const found = forecast({ rowsPerToken: 16, compute, memory, misses: disk, hitRate: 0 });
  assert.ok(Math.abs(found.stall.mean - 0.404) < 1e-9);
  assert.ok(Math.abs(found.stall.p99 - (0.404 + Math.hypot(0.006, 0.5))) < 1e-9);
});

test("behind a cache the waiting is that of every number of misses, weighted by its chance", () => {
  // Two rows, a quarter missed: one miss with chance 6/16, both with 1/16.
  const found = forecast({
    rowsPerToken: 2,
    memory: [{ rows: 1, mean: 0, p99: 0 }],
    misses: disk,
    hitRate: 0.75,
  });
  assert.ok(Math.abs(found.stall.mean - ((6 / 16) * 0.1 + (1 / 16) * 0.12)) < 1e-12);
  // Both are missed by six tokens in a hundred: more than one.
  assert.ok(Math.abs(found.stall.p99 - (0.4 + 0.1 / 3)) < 1e-12);
});

test("between measurements times lie on a line, and beyond the last one they go on along it", () => {
  assert.deepEqual(timeOfRows(disk, 0), { mean: 0, p99: 0 });
  assert.ok(Math.abs(timeOfRows(disk, 10).mean - 0.28) < 1e-12);
  assert.ok(Math.abs(timeOfRows(disk, 28).mean - 0.64) < 1e-12);
  assert.equal(timeOfRows([{ rows: 4, mean: 1, p99: 2 }], 12).mean, 3);
});

const times = fc
  .array(
    fc.record({
      mean: fc.double({ min: 0, max: 50, noNaN: true }),
      p99: fc.double({ min: 0, max: 90, noNaN: true }),
    }),
    { minLength: 1, maxLength: 4 },
  )
  .map((spreads) => spreads.map((spread, i) => ({ rows: 4 ** i, ...spread })));
const input: fc.Arbitrary<Required<ForecastInput>> = fc.record({
  rowsPerToken: fc.integer({ min: 1, max: 100 }),
  compute: fc.constant(compute),
  memory: times,
  misses: times,
  hitRate: fc.double({ min: 0, max: 1, noNaN: true }),
});
/** Sums of a hundred products round. */
const notLess = (more: number, less: number): boolean => more >= less - 1e-9 * Math.max(1, less);

test("more misses, more rows or slower stores never make the forecast better", () => {
  fc.assert(
    fc.property(input, fc.double({ min: 0, max: 1, noNaN: true }), (given, share) => {
      const { stall, token } = forecast(given);
      const worse = [
        { ...given, hitRate: given.hitRate * share },
        { ...given, rowsPerToken: given.rowsPerToken + 1 },
        { ...given, misses: given.misses.map((t) => ({ ...t, mean: t.mean * 2, p99: t.p99 * 2 })) },
      ];
      for (const other of worse.map((w) => forecast(w)))
        assert.ok(notLess(other.stall.mean, stall.mean) && notLess(other.token.mean, token.mean));
      assert.ok(token.p99 >= token.mean && stall.p99 >= stall.mean);
    }),
  );
});

test("a hit rate that is none, and misses that take nobody knows how long, are refused", () => {
  assert.throws(() => forecast({ rowsPerToken: 1, memory, hitRate: 1.5 }), /from 0 to 1, got 1.5/);
  assert.throws(() => forecast({ rowsPerToken: 1, memory, hitRate: 0.5 }), /how long a miss takes/);
});
