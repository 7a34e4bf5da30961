import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as fc from "fast-check";
import { InvalidConfigError } from "../../errors.ts";
import { sortByContext } from "./context-order.ts";
import { CountedMemory } from "./counted-memory.ts";
import { buildCountedTable, type BuiltTable } from "./counted-table.ts";
import { tableInRam } from "./cross-fitted.ts";
import type { Prune } from "./prune-rows.ts";

const vocabSize = 128;
const order = 4;
const layerId = 1;

/** Letters as ids. */
const shakespeare = Uint16Array.from(
  readFileSync(new URL("../../../assets/tinyshakespeare.txt", import.meta.url)),
);
const unseen = shakespeare.subarray(500_000, 503_000);
const text = { tokens: shakespeare.subarray(0, 60_000), starts: Uint32Array.of(0) };
const sorted = sortByContext(text, { order, vocabSize });
const build = (prune?: Prune): BuiltTable => buildCountedTable(sorted, { vocabSize, prune });

function bytesOf({ bytes, offsets, unigrams, discounts }: BuiltTable): number {
  return bytes.length + offsets.byteLength + unigrams.byteLength + discounts.byteLength;
}

/** Evidence [P, E] and chances [P, K, V] behind each of some ids. */
function read(table: BuiltTable, ids: ArrayLike<number>): { evidence: number[]; all: number[][] } {
  const memory = new CountedMemory(tableInRam(table), { layerId });
  const reader = memory.reader();
  const { width } = memory.inputs[0]!;
  const evidence = new Float32Array(ids.length * width);
  const at = reader.address([{ ids, from: 0, to: ids.length }]);
  const { distributions } = reader.lookUp(at, new Map([[layerId, evidence]]));
  const all: number[][] = [];
  for (let position = 0; position < ids.length; position++)
    for (let k = 0; k < memory.numDistributions; k++) {
      const probs = new Float32Array(vocabSize);
      const weights = Array.from({ length: memory.numDistributions }, (_, i) => Number(i === k));
      distributions!.add(position, weights, probs);
      all.push([...probs]);
    }
  return { evidence: [...evidence], all };
}

/** Nats a token of the highest order on a text. */
function loss(table: BuiltTable, ids: ArrayLike<number>): number {
  const { all } = read(table, ids);
  let sum = 0;
  for (let at = 1; at < ids.length; at++)
    sum -= Math.log(all[at * (table.order - 1) - 1]![ids[at]!]!);
  return sum / (ids.length - 1);
}

test("a table takes the bytes that it is given at most, and loses little by little", () => {
  const whole = build();
  const size = bytesOf(whole);
  const tokens = text.tokens.subarray(0, 2000);
  const losses = [1, 0.75, 0.5, 0.25, 0.1].map((share) => {
    const pruned = build({ bytes: Math.floor(size * share) });
    assert.ok(bytesOf(pruned) <= size * share, `${bytesOf(pruned)} of ${size * share}`);
    assert.ok(bytesOf(pruned) > 0.9 * size * share, `${bytesOf(pruned)} of ${size * share}`);
    return loss(pruned, tokens);
  });
  assert.equal(losses[0], loss(whole, tokens));
  for (let i = 1; i < losses.length; i++) assert.ok(losses[i]! > losses[i - 1]!);
});

test("of equal bytes, those with the most gain say more of unseen text than those of shorter n-grams", () => {
  const shorter = sortByContext(text, { order: order - 1, vocabSize });
  const table = buildCountedTable(shorter, { vocabSize });
  const pruned = build({ bytes: bytesOf(table) });
  assert.ok(loss(pruned, unseen) < loss(table, unseen) - 0.05);
});

test("what is kept says of its context what it said before; chances still sum to one", () => {
  const whole = build();
  fc.assert(
    fc.property(
      fc.double({ min: 0.01, max: 3, noNaN: true }),
      fc.array(fc.nat(vocabSize - 1), { minLength: 1, maxLength: 8 }),
      (leastGain, ids) => {
        const before = read(whole, ids);
        const { evidence, all } = read(build({ leastGain }), ids);
        for (const probs of all)
          assert.ok(Math.abs(probs.reduce((sum, p) => sum + p, 0) - 1) < 1e-5);
        for (let at = 0; at < evidence.length; at += 3)
          if (evidence[at] !== -1)
            assert.deepEqual(evidence.slice(at, at + 2), before.evidence.slice(at, at + 2));
      },
    ),
    { numRuns: 10 },
  );
});

test("what was found for some bytes prunes alike, and too few bytes are refused", () => {
  const pruned = build({ bytes: 30_000 });
  assert.deepEqual(build({ leastGain: pruned.leastGain }), pruned);
  assert.throws(() => build({ bytes: 100 }), InvalidConfigError);
});
