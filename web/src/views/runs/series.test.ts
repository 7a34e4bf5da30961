import assert from "node:assert/strict";
import test from "node:test";
import { RunSeries } from "./series.ts";

test("a log that begins with step 0, or goes back, is drawn as far as it goes", () => {
  const series = new RunSeries();
  series.add([{ step: 0, loss: 4 }]);
  assert.deepEqual([series.step, series.loss], [[0], [4]]);
  series.add([
    { step: 1, loss: 3, validBitsPerByte: 2 },
    { step: 2, loss: 2 },
    { step: 1, loss: 1 },
  ]);
  assert.deepEqual(
    [series.step, series.loss],
    [
      [0, 1],
      [4, 1],
    ],
  );
  assert.deepEqual(series.validations, []);
});
