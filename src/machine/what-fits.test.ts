import assert from "node:assert/strict";
import { test } from "node:test";
import { type ModelSizes, whatFits } from "./index.ts";

const MiB = 2 ** 20;
const sizes: ModelSizes = {
  weightBytes: 1000 * MiB,
  packedBytes: { q8: 270 * MiB, q4: 150 * MiB },
  positionBytes: MiB / 16,
  tables: [],
};
const table = { layerId: 1, numRows: MiB, rowBytes: 2000 };

function advice(
  given: Partial<ModelSizes>,
  { available, positions = 2048 }: { available: number; positions?: number },
): string {
  const machine = { totalBytes: 4000 * MiB, availableBytes: available * MiB };
  return whatFits({ ...sizes, ...given }, { use: { positions }, machine });
}

test("each option that is enough alone is named with what the model then takes", () => {
  // 1,000 of weights and 128 of context.
  assert.equal(
    advice({}, { available: 500 }),
    "open it with --dtype q8 (398 MiB), or with --dtype q4 (278 MiB)",
  );
  assert.equal(advice({}, { available: 300 }), "open it with --dtype q4 (278 MiB)");
  assert.equal(
    advice({ tables: [table] }, { available: 1500 }),
    "open it with --no-memory (1.10 GiB), or with --table-memory 64MiB, which leaves the tables in their files (1.16 GiB)",
  );
});

test("a context that fits is named where it is all that is too large", () => {
  assert.equal(
    advice({ packedBytes: {} }, { available: 1100 }),
    "open it with fewer tokens at a time, 1,600 in all (--ctx-size of engram chat and serve, --parallel of engram serve)",
  );
});

test("options that are enough together are named together, and what nothing helps says so", () => {
  assert.equal(
    advice({}, { available: 160 }),
    "open it with --dtype q4 and a context of 128 tokens (--ctx-size of engram chat and serve): 158 MiB",
  );
  assert.equal(
    advice({}, { available: 100 }),
    "take a smaller model: with the smallest settings it takes 158 MiB",
  );
});
