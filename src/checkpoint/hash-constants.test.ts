/** Hash constants keep their bits through JSON; what would lose them is refused. */
import assert from "node:assert/strict";
import test from "node:test";
import { checkHashConstants, readHashConstants } from "./hash-constants.ts";

/** Layer 1 of the specification's tiny configuration: multipliers above 2^53. */
const tiny = {
  multipliers: { "1": ["474601728838414575", "29974562614913953", "222707240591810233"] },
  primes: {
    "1": [
      [11, 13, 17],
      [19, 23, 29],
    ],
  },
};

test("multipliers above 2^53 keep every digit through config.json", () => {
  const config = JSON.parse(JSON.stringify({ engram_hash: tiny })) as Record<string, unknown>;
  const read = readHashConstants(config);
  assert.deepEqual(read, tiny);
  assert.equal(BigInt(read!.multipliers["1"]![0]!), 474601728838414575n);
});

test("a config without constants has none", () => {
  assert.equal(readHashConstants({ vocab_size: 3 }), undefined);
});

test("a multiplier written as a JSON number is refused, because it has lost bits", () => {
  const config = {
    engram_hash: { multipliers: { "1": [Number("474601728838414575")] }, primes: {} },
  };
  assert.throws(() => readHashConstants(config), /multipliers\["1"\].*in quotes/);
});

test("constants of another shape are refused", () => {
  assert.throws(() => readHashConstants({ engram_hash: [] }), /expected \{"multipliers"/);
  const config = { engram_hash: { multipliers: {}, primes: { "2": [[1.5]] } } };
  assert.throws(() => readHashConstants(config), /primes\["2"\]/);
});

test("stored constants that differ from the computed ones are refused by layer", () => {
  checkHashConstants(tiny, structuredClone(tiny));
  const other = { ...tiny, multipliers: { "1": ["474601728838414577", "29974562614913953"] } };
  assert.throws(() => checkHashConstants(tiny, other), /multipliers of layer 1.*every row address/);
  assert.throws(
    () => checkHashConstants(tiny, { ...tiny, primes: {} }),
    /primes of layer 1.*nothing/,
  );
});
