import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { InvalidConfigError } from "../errors.ts";
import { Pcg64 } from "./index.ts";
import { seedPool, seedWords } from "./pcg64.ts";

const golden = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../test/golden/${name}`, import.meta.url), "utf8"));
const hex = (value: bigint | number, digits: number): string =>
  value.toString(16).padStart(digits, "0");

interface RngVectors {
  readonly pool: string[];
  readonly state_words_u64: string[];
  readonly initial_state: string;
  readonly inc: string;
  readonly first4_u64: string[];
}

test("seeding and the first words are NumPy's", () => {
  const { rng } = golden("engram-vectors.json") as { rng: Record<string, RngVectors> };
  assert.ok(Object.keys(rng).length >= 4);
  for (const [seed, vectors] of Object.entries(rng)) {
    const generator = new Pcg64(BigInt(seed));
    assert.deepEqual(
      Array.from(seedPool(BigInt(seed)), (word) => hex(word, 8)),
      vectors.pool,
    );
    assert.deepEqual(
      seedWords(BigInt(seed)).map((word) => hex(word, 16)),
      vectors.state_words_u64,
    );
    assert.equal(hex(generator.state, 32), vectors.initial_state);
    assert.equal(hex(generator.increment, 32), vectors.inc);
    assert.deepEqual(
      vectors.first4_u64.map(() => hex(generator.next64(), 16)),
      vectors.first4_u64,
    );
  }
});

test("bounded integers are NumPy's, for small and large ranges and seeds up to 200 bits", () => {
  const { cases } = golden("numpy-integers.json") as {
    cases: [string, string, string[], string[]][];
  };
  assert.ok(cases.length > 400);
  for (const [seed, bound, first, second] of cases) {
    const generator = new Pcg64(BigInt(seed));
    const b = BigInt(bound);
    assert.deepEqual(
      generator.integers(0n, b, { count: 3 }).map(String),
      first,
      `${seed} ${bound}`,
    );
    const low = -(b / 2n);
    assert.deepEqual(
      generator.integers(low, low + b, { count: 2 }).map(String),
      second,
      `${seed} ${bound}, second call`,
    );
  }
});

test("the published words of PCG64(0xdeadbeaf) and integers of seed 12345 come out", () => {
  const generator = new Pcg64(0xdeadbeaf);
  assert.equal(hex(generator.next64(), 16), "60d24054e17a0698");
  assert.equal(hex(generator.next64(), 16), "d5e79d89856e4f12");
  assert.deepEqual(new Pcg64(12345).integers(0n, 10n, { count: 3 }), [6n, 2n, 7n]);
});

test("the full 64-bit range passes words through", () => {
  const words = new Pcg64(5);
  const direct = [words.next64(), words.next64()];
  assert.deepEqual(new Pcg64(5).integers(0n, 1n << 64n, { count: 2 }), direct);
});

test("negative seeds and empty ranges are refused with the numbers", () => {
  assert.throws(() => new Pcg64(-1), /non-negative integer, got -1/);
  assert.throws(
    () => new Pcg64(1).integers(5n, 5n, { count: 1 }),
    (error) => error instanceof InvalidConfigError && /low 5 and high 5/.test(error.message),
  );
});
