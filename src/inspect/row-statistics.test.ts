import assert from "node:assert/strict";
import test from "node:test";
import { InvalidConfigError } from "../errors.ts";
import { RamStore, rowFormat, type RowStore } from "../memory/index.ts";
import { Random } from "../numerics/index.ts";
import { rowStatistics } from "./index.ts";

const headDim = 4;
/** However busy the machine. */
const unhurried = { maxTime: Infinity };

/** Every third row is zero; the others are normal. Values as they come back from the format. */
function table(numRows: number, name: "f32" | "int8" = "f32") {
  const format = rowFormat(name, headDim);
  const store = new RamStore({ numRows, rowBytes: format.rowBytes });
  const values = new Float32Array(numRows * headDim);
  Random.fromSeed(1, "rows").fillNormal(values, 1);
  for (let row = 0; row < numRows; row += 3) values.fill(0, row * headDim, (row + 1) * headDim);
  const bytes = new Uint8Array(numRows * format.rowBytes);
  format.encode(values, bytes);
  store.writeSync(
    Uint32Array.from({ length: numRows }, (_, row) => row),
    bytes,
  );
  const stored = new Float32Array(values.length);
  format.decode(bytes, stored);
  const norms = Array.from({ length: numRows }, (_, row) =>
    Math.hypot(...stored.subarray(row * headDim, (row + 1) * headDim)),
  );
  return { store, format, norms };
}

test("bins that fit the limit are read whole: means, shares and maxima are those of all rows", async () => {
  for (const name of ["f32", "int8"] as const) {
    const { store, format, norms } = table(10_000, name);
    const [from, to, bins] = [37, 9_990, 7];
    const found = await rowStatistics({ layerId: 1, store, format }, { from, to, bins }, unhurried);
    for (let bin = 0; bin < bins; bin++) {
      const begin = Math.floor(from + (bin * (to - from)) / bins);
      const end = Math.floor(from + ((bin + 1) * (to - from)) / bins);
      const own = norms.slice(begin, end);
      assert.equal(found.sampled[bin], own.length);
      assert.equal(found.nonZero[bin], own.filter((norm) => norm > 0).length);
      const mean = own.reduce((a, b) => a + b) / own.length;
      assert.ok(Math.abs(found.meanNorm[bin]! - mean) < 1e-9 * mean, `${found.meanNorm[bin]}`);
      assert.ok(Math.abs(found.maxNorm[bin]! - Math.max(...own)) < 1e-9);
    }
  }
});

test("bins of one row each say what that row holds", async () => {
  const { store, format, norms } = table(50);
  const found = await rowStatistics({ layerId: 1, store, format }, { from: 10, to: 20, bins: 10 });
  for (const [i, norm] of norms.slice(10, 20).entries())
    assert.ok(Math.abs(found.meanNorm[i]! - norm) < 1e-12);
});

test("larger bins are sampled at even distances, within the limit, each row once", async () => {
  const { store, format, norms } = table(30_000);
  const asked: number[] = [];
  const spy: RowStore = {
    numRows: store.numRows,
    rowBytes: store.rowBytes,
    read(rows, into) {
      asked.push(...rows);
      return store.read(rows, into);
    },
    close: () => store.close(),
  };
  const bins = { from: 0, to: 30_000, bins: 3 };
  const found = await rowStatistics({ layerId: 1, store: spy, format }, bins, {
    ...unhurried,
    maxRows: 6_000,
  });
  assert.deepEqual([...found.sampled], [2_000, 2_000, 2_000]);
  assert.equal(new Set(asked).size, 6_000);
  const mean = norms.slice(0, 10_000).reduce((a, b) => a + b) / 10_000;
  assert.ok(Math.abs(found.meanNorm[0]! / mean - 1) < 0.05, `${found.meanNorm[0]} for ${mean}`);
  const bytes = { ...unhurried, maxBytes: 600 * format.rowBytes };
  const fewer = await rowStatistics({ layerId: 1, store: spy, format }, bins, bytes);
  assert.deepEqual([...fewer.sampled], [200, 200, 200]);
});

test("when time runs out the answer is what was read so far, alike for all bins", async () => {
  const { store, format } = table(30_000);
  let reads = 0;
  const clock = (): number => (reads += 1) * 100;
  // Bins that are sampled, and bins that would be read whole.
  for (const maxRows of [25_000, 30_000]) {
    const found = await rowStatistics(
      { layerId: 1, store, format },
      { from: 0, to: 30_000, bins: 5 },
      { maxRows, maxTime: 250, now: clock },
    );
    const total = found.sampled.reduce((a, b) => a + b);
    assert.ok(total >= 4_096 && total < 25_000, `${total}`);
    assert.ok(Math.max(...found.sampled) - Math.min(...found.sampled) <= 1, `${found.sampled}`);
  }
});

test("rows outside the table and a broken-off request are refused", async () => {
  const { store, format } = table(10);
  await assert.rejects(
    rowStatistics({ layerId: 1, store, format }, { from: 0, to: 11, bins: 1 }),
    InvalidConfigError,
  );
  await assert.rejects(
    rowStatistics(
      { layerId: 1, store, format },
      { from: 0, to: 9, bins: 1 },
      { signal: AbortSignal.abort() },
    ),
    { name: "AbortError" },
  );
});
