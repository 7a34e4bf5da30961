import assert from "node:assert/strict";
import test from "node:test";
import * as fc from "fast-check";
import { interleave } from "./interleave.ts";

test("every value of every sequence comes, each sequence in its order, no more than a window at once", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.nat({ max: 3 }), { maxLength: 6 }), { maxLength: 7 }),
      fc.integer({ min: 1, max: 4 }),
      async (delays, window) => {
        let running = 0;
        const begin = delays.map(
          (own, index) =>
            async function* () {
              assert.ok(++running <= window);
              for (const [i, delay] of own.entries()) {
                for (let k = 0; k < delay; k++) await Promise.resolve();
                yield `${index}:${i}`;
              }
              running--;
              return own.length;
            },
        );
        const values: string[][] = delays.map(() => []);
        const ends: number[] = [];
        for await (const { index, result } of interleave(
          begin.map((f) => () => f()),
          { window },
        ))
          if (result.done === true) ends[index] = result.value;
          else values[index]!.push(result.value);
        assert.deepEqual(
          values,
          delays.map((own, index) => own.map((_, i) => `${index}:${i}`)),
        );
        assert.deepEqual(
          ends,
          delays.map((own) => own.length),
        );
      },
    ),
  );
});

test("a sequence that cannot begin throws at once, and one that fails ends all", async () => {
  const refuse = (): AsyncIterator<number, void> => {
    throw new Error("full");
  };
  assert.throws(() => interleave([refuse], { window: 1 }), /full/);
  async function* fails(): AsyncGenerator<number, void> {
    yield 1;
    throw new Error("broken");
  }
  const found: number[] = [];
  await assert.rejects(async () => {
    for await (const { result } of interleave([() => fails()], { window: 2 }))
      if (result.done !== true) found.push(result.value);
  }, /broken/);
  assert.deepEqual(found, [1]);
});

test("that it is over is told once, whether all ended, one failed or nobody listens any more", async () => {
  async function* two(): AsyncGenerator<number, void> {
    yield 1;
    yield 2;
  }
  async function* fails(): AsyncGenerator<number, void> {
    yield 1;
    throw new Error("broken");
  }
  const read = async (
    begin: (() => AsyncIterator<number, void>)[],
    { most = Infinity }: { most?: number } = {},
  ): Promise<number> => {
    let told = 0;
    const taken: number[] = [];
    const values = interleave(begin, { window: 2, onEnd: () => void told++ });
    try {
      for await (const { index } of values) if (taken.push(index) === most) break;
    } catch {}
    return told;
  };
  assert.equal(await read([two]), 1);
  assert.equal(await read([two, two, two]), 1);
  assert.equal(await read([two, fails]), 1);
  assert.equal(await read([two], { most: 1 }), 1);
  assert.equal(await read([two, two], { most: 2 }), 1);
});
