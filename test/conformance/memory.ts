/**
 * What every `Memory` must do, whatever kind it is: addresses follow from ids alone, however a text is cut
 * into spans; vectors follow from addresses; hints change nothing. Called from the test of each kind.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { RequestError } from "../../src/errors.ts";
import type { Memory, TokenSpan } from "../../src/memory/index.ts";

export interface MemoryToTest {
  readonly memory: Memory;
  readonly vocabSize: number;
}

/** The vectors [P, E] of each layer, one behind the other. */
async function vectorsOf(
  memory: Memory,
  spans: readonly TokenSpan[],
  reader = memory.reader(),
): Promise<Map<number, number[]>> {
  const at = reader.address(spans);
  const positions = spans.reduce((sum, { from, to }) => sum + to - from, 0);
  assert.equal(at.numPositions, positions);
  const into = new Map(
    memory.inputs.map(({ layerId, width }) => [layerId, new Float32Array(positions * width)]),
  );
  const lookUp = reader.lookUp(at, into);
  await lookUp.all();
  assert.ok(lookUp.isDone && memory.inputs.every(({ layerId }) => lookUp.hasArrived(layerId)));
  await lookUp.settled();
  return new Map([...into].map(([layer, vectors]) => [layer, [...vectors]]));
}

const whole = (ids: readonly number[]): TokenSpan => ({ ids, from: 0, to: ids.length });

export function memoryConformance(name: string, make: () => Promise<MemoryToTest>): void {
  const ids = (vocabSize: number, minLength = 1): fc.Arbitrary<number[]> =>
    fc.array(fc.nat(vocabSize - 1), { minLength, maxLength: 24 });

  test(`${name}: a text cut into spans has the vectors that it has in one`, async () => {
    const { memory, vocabSize } = await make();
    await fc.assert(
      fc.asyncProperty(ids(vocabSize), fc.array(fc.nat(24)), async (text, cuts) => {
        const at = [0, ...cuts.filter((cut) => cut < text.length), text.length];
        const places = [...new Set(at)].toSorted((a, b) => a - b);
        const spans = places.slice(1).map((to, i) => ({ ids: text, from: places[i]!, to }));
        const expected = await vectorsOf(memory, [whole(text)]);
        assert.deepEqual(await vectorsOf(memory, spans), expected);
        const reader = memory.reader();
        const parts = [];
        for (const span of spans) parts.push(await vectorsOf(memory, [span], reader));
        for (const [layer, vectors] of expected)
          assert.deepEqual(
            parts.flatMap((part) => part.get(layer)!),
            vectors,
          );
      }),
      { numRuns: 40 },
    );
  });

  test(`${name}: what stands behind a position, or before its document, changes nothing`, async () => {
    const { memory, vocabSize } = await make();
    const texts = fc.tuple(ids(vocabSize), ids(vocabSize), ids(vocabSize));
    await fc.assert(
      fc.asyncProperty(texts, async ([before, text, after]) => {
        const all = [...before, ...text, ...after];
        const begin = before.length;
        const span = { ids: all, begin, from: begin, to: begin + text.length };
        assert.deepEqual(await vectorsOf(memory, [span]), await vectorsOf(memory, [whole(text)]));
      }),
      { numRuns: 40 },
    );
  });

  test(`${name}: texts of a batch have the vectors that each has alone`, async () => {
    const { memory, vocabSize } = await make();
    await fc.assert(
      fc.asyncProperty(fc.array(ids(vocabSize), { minLength: 1, maxLength: 5 }), async (texts) => {
        const together = await vectorsOf(
          memory,
          texts.map((text) => whole(text)),
        );
        const alone = [];
        for (const text of texts) alone.push(await vectorsOf(memory, [whole(text)]));
        for (const [layer, vectors] of together)
          assert.deepEqual(
            vectors,
            alone.flatMap((one) => one.get(layer)!),
          );
      }),
      { numRuns: 20 },
    );
  });

  test(`${name}: hints and other readers change nothing, nor do typed arrays of ids`, async () => {
    const { memory, vocabSize } = await make();
    const text = Array.from({ length: 20 }, (_, i) => (i * 7) % vocabSize);
    const expected = await vectorsOf(memory, [whole(text)]);
    const reader = memory.reader();
    reader.hint(reader.address([{ ids: text, from: 4, to: 20 }]));
    const span = { ids: Int32Array.from(text), from: 0, to: text.length };
    assert.deepEqual(await vectorsOf(memory, [span], reader), expected);
    assert.equal(typeof memory.takesHints, "boolean");
  });

  test(`${name}: ids outside the vocabulary are refused, and its name stays its own`, async () => {
    const [{ memory, vocabSize }, { memory: other }] = [await make(), await make()];
    const { identity } = memory;
    for (const bad of [-1, vocabSize, 0.5])
      assert.throws(() => memory.reader().address([whole([0, bad])]), RequestError);
    await vectorsOf(memory, [whole([0])]);
    assert.equal(memory.identity, identity);
    assert.notEqual(other.identity, identity, "of contents that may be others");
    const { rows } = memory.reader().address([whole([0, 1])]);
    const { inputs, numDistributions } = memory;
    // Only rows that hold vectors are shown by number; what distributions are made of has none.
    const shown = numDistributions === undefined ? inputs.map(({ layerId }) => layerId) : [];
    assert.deepEqual([...rows.keys()], shown);
    for (const of of rows.values()) assert.ok(of.length > 0);
  });
}
