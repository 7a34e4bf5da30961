import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import {
  type AddressConfig,
  addressTail,
  buildAddressing,
  buildLayout,
  DEAD,
  Lookback,
  rowsForIds,
} from "./index.ts";

const config: AddressConfig = {
  layerIds: [1, 14],
  maxNgramSize: 4,
  numHeads: 2,
  minBucketRows: [1000, 1000, 1000],
  padTokenId: 2,
  compressedVocabSize: 300,
  seed: 0,
};
const addressing = buildAddressing(buildLayout(config), config.padTokenId);
const anyId = fc.oneof(
  { weight: 9, arbitrary: fc.nat(299) },
  { weight: 1, arbitrary: fc.constant(DEAD) },
);

/** Rows of the first layer's positions from `from` on, as one list. */
function tail(lookback: Lookback, from: number): number[] {
  return [...addressTail(addressing, lookback, { from })[0]!];
}

function wholePass(ids: readonly number[]): number[] {
  return rowsForIds({ config, compressedIds: ids }).layers["1"]!.flat();
}

test("chunks of any split give the rows of one pass", () => {
  fc.assert(
    fc.property(
      fc.array(anyId, { maxLength: 40 }),
      fc.array(fc.nat(6), { maxLength: 20 }),
      (ids, sizes) => {
        const lookback = new Lookback({ capacity: 1 });
        const rows: number[] = [];
        let at = 0;
        for (const size of [...sizes, ids.length]) {
          const chunk = ids.slice(at, at + size);
          lookback.append(chunk);
          rows.push(...tail(lookback, at));
          at += chunk.length;
        }
        assert.deepEqual(rows, wholePass(ids));
        assert.deepEqual([...lookback.ids], ids);
      },
    ),
  );
});

test("after rewinding and another continuation the rows are those of the new text", () => {
  fc.assert(
    fc.property(
      fc.array(anyId, { minLength: 1, maxLength: 20 }),
      fc.nat(),
      fc.array(anyId, { maxLength: 20 }),
      (first, cutAt, second) => {
        const lookback = new Lookback();
        lookback.append(first);
        const length = cutAt % (first.length + 1);
        lookback.rewind(length);
        lookback.append(second);
        assert.deepEqual(tail(lookback, 0), wholePass([...first.slice(0, length), ...second]));
      },
    ),
  );
});

test("a fork and its origin do not touch each other", () => {
  const origin = new Lookback();
  origin.push(1, 2, 3);
  const copy = origin.fork();
  copy.push(4, 5);
  origin.push(6);
  assert.deepEqual([...origin.ids], [1, 2, 3, 6]);
  assert.deepEqual([...copy.ids], [1, 2, 3, 4, 5]);
  assert.deepEqual(tail(copy, 0), wholePass([1, 2, 3, 4, 5]));
});

test("an id that starts a document hashes as at the start of a text", () => {
  const lookback = new Lookback();
  lookback.push(7, 8, 9);
  lookback.append([10, 11], { isStart: true });
  assert.deepEqual(tail(lookback, 3), wholePass([10, 11]));
  assert.deepEqual([...lookback.starts], [1, 0, 0, 1, 0]);
});

test("rewinding takes back the starts of the documents it takes back, and keeps those before", () => {
  const lookback = new Lookback({ capacity: 2 });
  lookback.push(1, 2);
  lookback.append([3, 4], { isStart: true });
  lookback.append([8], { isStart: true });
  lookback.rewind(4);
  lookback.push(5, 6);
  assert.deepEqual([...lookback.starts], [1, 0, 1, 0, 0, 0]);
  assert.deepEqual(tail(lookback.fork(), 2), wholePass([3, 4, 5, 6]));
  lookback.rewind(2);
  lookback.push(9);
  assert.deepEqual([...lookback.starts], [1, 0, 0]);
  assert.deepEqual(tail(lookback, 0), wholePass([1, 2, 9]));
});

test("rewinding beyond the ends is refused with the length", () => {
  const lookback = new Lookback();
  lookback.push(1, 2);
  assert.throws(() => lookback.rewind(3), /2 ids.*not to 3/);
  assert.throws(() => lookback.rewind(-1), /not to -1/);
});
