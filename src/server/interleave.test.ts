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
