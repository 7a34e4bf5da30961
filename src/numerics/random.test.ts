import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "./index.ts";

/** xoshiro128** 1.1 a second time, in BigInt, from the authors' description. */
function* reference(state: readonly number[]): Generator<number> {
  const mask = 0xffffffffn;
  const rotate = (x: bigint, k: bigint): bigint => ((x << k) | (x >> (32n - k))) & mask;
  let [a, b, c, d] = state.map(BigInt) as [bigint, bigint, bigint, bigint];
  for (;;) {
    yield Number((rotate((b * 5n) & mask, 7n) * 9n) & mask);
    const t = (b << 9n) & mask;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotate(d, 11n);
  }
}

test("words are those of xoshiro128**", () => {
  const random = Random.fromState([1, 2, 3, 4]);
  // The first words from state 1, 2, 3, 4, as other implementations publish them.
  assert.deepEqual([random.nextU32(), random.nextU32(), random.nextU32()], [11520, 0, 5927040]);
  const seeded = Random.fromSeed(42, "shuffle");
  const words = reference(seeded.state());
  for (let i = 0; i < 1000; i++) assert.equal(seeded.nextU32(), words.next().value);
});

test("a stream goes on from its state as if it had not been interrupted", () => {
  const random = Random.fromSeed(7);
  for (let i = 0; i < 10; i++) random.normal();
  const copy = Random.fromState(JSON.parse(JSON.stringify(random.state())));
  for (let i = 0; i < 100; i++) {
    assert.equal(copy.normal(), random.normal());
    assert.equal(copy.int(1000), random.int(1000));
  }
});

function first(seed: number, stream?: string): number {
  return Random.fromSeed(seed, stream).nextU32();
}

test("seeds and stream names give different draws, the same ones the same", () => {
  const draws = [
    first(0),
    first(1),
    first(-1),
    first(2 ** 40),
    first(0, "a"),
    first(0, "b"),
    first(0, "ab"),
  ];
  assert.equal(new Set(draws).size, draws.length);
  assert.equal(first(5, "init"), first(5, "init"));
});

test("uniform draws fill [0, 1) evenly", () => {
  const random = Random.fromSeed(3);
  const bins = new Float64Array(20);
  for (let i = 0; i < 200_000; i++) {
    const draw = random.uniform();
    assert.ok(draw >= 0 && draw < 1);
    bins[Math.floor(draw * 20)]!++;
  }
  // 10,000 expected a bin, deviation about 97: five deviations.
  for (const count of bins) assert.ok(Math.abs(count - 10_000) < 500, `${count}`);
});

test("normal draws have mean 0, deviation 1 and the tails of a normal", () => {
  const random = Random.fromSeed(11);
  const filled = new Float32Array(200_001);
  random.fillNormal(filled, 0.5);
  const single = Float64Array.from({ length: 100_000 }, () => random.normal());
  for (const [draws, deviation] of [
    [filled, 0.5],
    [single, 1],
  ] as const) {
    let sum = 0;
    let squares = 0;
    let beyondTwo = 0;
    for (const draw of draws) {
      sum += draw;
      squares += draw * draw;
      if (Math.abs(draw) > 2 * deviation) beyondTwo++;
    }
    assert.ok(Math.abs(sum / draws.length) < 0.02 * deviation);
    assert.ok(Math.abs(Math.sqrt(squares / draws.length) / deviation - 1) < 0.01);
    assert.ok(Math.abs(beyondTwo / draws.length - 0.0455) < 0.004);
  }
});

test("integers below n are fair, also where n does not divide 2^32", () => {
  const random = Random.fromSeed(13);
  const counts = new Float64Array(6);
  for (let i = 0; i < 60_000; i++) counts[random.int(6)]!++;
  for (const count of counts) assert.ok(Math.abs(count - 10_000) < 500, `${count}`);
  // Three quarters of 2^32: a biased draw would hit the lower half twice as often as the upper.
  const n = 3 * 2 ** 30;
  let low = 0;
  for (let i = 0; i < 30_000; i++) if (random.int(n) < n / 3) low++;
  assert.ok(Math.abs(low - 10_000) < 500, `${low}`);
  assert.equal(random.int(1), 0);
});

test("shuffling keeps the items and reaches every order", () => {
  const random = Random.fromSeed(17);
  const orders = new Map<string, number>();
  for (let i = 0; i < 6000; i++) {
    const items = new Uint32Array([1, 2, 3]);
    random.shuffle(items);
    orders.set(items.join(), (orders.get(items.join()) ?? 0) + 1);
  }
  assert.equal(orders.size, 6);
  for (const count of orders.values()) assert.ok(Math.abs(count - 1000) < 150, `${count}`);
});

test("bad seeds, states and ranges are refused with what came", () => {
  assert.throws(() => Random.fromSeed(0.5), /0\.5/);
  assert.throws(() => Random.fromState([1, 2, 3]), /four integers.*\[1,2,3\]/);
  assert.throws(() => Random.fromState([0, 0, 0, 0]), /four zeros/);
  assert.throws(() => Random.fromSeed(1).int(0), /got 0/);
});
