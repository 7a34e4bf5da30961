import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { memoryConformance } from "../../../test/conformance/memory.ts";
import { RequestError } from "../../errors.ts";
import { GrowingCounts, GrownCounts } from "./growing-counts.ts";

const [depth, vocabSize, layerId] = [3, 6, 2];
const input = { layerId, width: 3 * depth };
const unigrams = Float32Array.from([1, 2, 3, 4, 5, 6], (n) => n / 21);

function viewOf(counts: GrowingCounts): GrownCounts {
  return new GrownCounts(counts, { identity: crypto.randomUUID(), input, unigrams });
}

function grown(texts: readonly (readonly number[])[]): GrownCounts {
  const counts = new GrowingCounts({ depth, vocabSize });
  for (const text of texts) counts.add(text);
  return viewOf(counts);
}

memoryConformance("growing counts", async () => ({
  memory: grown([
    [0, 1, 2, 3, 1, 2, 4],
    [1, 2, 3, 5, 5],
  ]),
  vocabSize,
}));

/** p_n and the evidence by lists of all places where a context stands; shares nothing with the product. */
function textbook(texts: readonly (readonly number[])[], context: readonly number[]) {
  const evidence: number[] = [];
  const chances: number[][] = [];
  let lower = [...unigrams];
  for (let n = 1; n <= depth; n++) {
    const tail = context.slice(-n).join(" ");
    const after = texts.flatMap((text) =>
      text.filter((_, i) => i >= n && text.slice(i - n, i).join(" ") === tail),
    );
    const met = context.length < n ? [] : after.slice(-128);
    const counts = lower.map((_, id) => met.filter((one) => one === id).length);
    const distinct = new Set(met).size;
    if (met.length > 0)
      lower = lower.map(
        (chance, id) => (Math.max(counts[id]! - 0.75, 0) + 0.75 * distinct * chance) / met.length,
      );
    chances.push(lower);
    evidence.push(
      ...(met.length === 0
        ? [-1, 0, 0]
        : [Math.log(1 + met.length) / 2, distinct / met.length, Math.max(...counts) / met.length]),
    );
  }
  return { evidence, chances };
}

const text = fc.array(fc.nat(vocabSize - 1), { maxLength: 60 });

test("chances and evidence are those of the textbook, and sum to one", () => {
  fc.assert(
    fc.property(
      fc.array(text, { maxLength: 4 }),
      fc.array(fc.nat(5), { minLength: 1 }),
      (texts, ids) => {
        const memory = grown(texts);
        const reader = memory.reader();
        const evidence = new Float32Array(ids.length * input.width);
        const at = reader.address([{ ids, from: 0, to: ids.length }]);
        const { distributions } = reader.lookUp(at, new Map([[layerId, evidence]]));
        for (const [position] of ids.entries()) {
          const expected = textbook(texts, ids.slice(0, position + 1));
          const found = evidence.subarray(position * input.width, (position + 1) * input.width);
          assert.deepEqual(found, Float32Array.from(expected.evidence));
          const weights = [0.5, 0.3, 0.2];
          const mixed = new Float32Array(vocabSize);
          distributions!.add(position, weights, mixed);
          const chances = new Float32Array(depth);
          for (let id = 0; id < vocabSize; id++) {
            distributions!.chances(position, id, chances);
            const right = expected.chances.map((one) => one[id]!);
            for (const [n, chance] of chances.entries())
              assert.ok(Math.abs(chance - right[n]!) < 1e-6);
            const sum = weights.reduce((all, weight, n) => all + weight * right[n]!, 0);
            assert.ok(Math.abs(mixed[id]! - sum) < 1e-6);
          }
          assert.ok(Math.abs(mixed.reduce((all, one) => all + one, 0) - 1) < 1e-5);
        }
      },
    ),
    { numRuns: 60 },
  );
});

test("a view stays what it is whatever is added, and a longer one sees it", () => {
  const counts = new GrowingCounts({ depth, vocabSize });
  const read = (view: GrownCounts): number[] => {
    const evidence = new Float32Array(input.width);
    const reader = view.reader();
    reader.lookUp(
      reader.address([{ ids: [1, 2], from: 1, to: 2 }]),
      new Map([[layerId, evidence]]),
    );
    return Array.from(evidence);
  };
  counts.add([1, 2, 3]);
  const [view, before] = [viewOf(counts), read(viewOf(counts))];
  // Beyond the room that it has at first.
  for (let n = 0; n < 2000; n++) counts.add([1, 2, n % vocabSize]);
  assert.deepEqual(read(view), before);
  assert.notDeepEqual(read(viewOf(counts)), before);
  // Of the last 128: each id about as often.
  assert.ok(Math.abs(read(viewOf(counts))[4]! - 6 / 128) < 1e-6);
});

test("what is no id is refused, and nothing of its text is added", () => {
  const counts = new GrowingCounts({ depth, vocabSize });
  for (const ids of [[1, vocabSize], [-1], [0.5], [Number.NaN]])
    assert.throws(() => counts.add(ids), RequestError);
  assert.equal(counts.length, 0);
});
