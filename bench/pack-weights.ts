/**
 * Claim: packing a weight at load takes at most 20 ns, and no longer than in another checkout, with the same codes.
 *
 *   node bench/pack-weights.ts CHECKOUT [--bits 4] [--rounds 15] [--weights 1048576]
 *
 * Inside the window: `quantizeBlocks` of normal numbers, one call, by the processor's time. The two checkouts take turns in one
 * process, and every round compares their codes and scales.
 */
import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type QuantizedBits, quantizeBlocks, Random } from "../src/numerics/index.ts";
import { needed, readWords } from "./setup/command-line.ts";
import { quantile } from "./setup/decode-rounds.ts";

const given = readWords({ checkout: needed }, { bits: 4, rounds: 15, weights: 2 ** 20 });
const other = pathToFileURL(join(resolve(given.checkout), "src/numerics/index.ts")).href;
const before = (await import(other)) as { quantizeBlocks: typeof quantizeBlocks };
const sides = { now: quantizeBlocks, before: before.quantizeBlocks };
type Side = keyof typeof sides;
const spent: Record<Side, number[]> = { now: [], before: [] };
const values = new Float32Array(given.weights);
for (let round = -2; round < given.rounds; round++) {
  Random.fromSeed(round + 2, "weights").fillNormal(values, 0.02);
  const pack = (side: Side): ReturnType<typeof quantizeBlocks> => {
    const begun = process.cpuUsage();
    const packed = sides[side](values, given.bits as QuantizedBits);
    const { user, system } = process.cpuUsage(begun);
    if (round >= 0) spent[side].push((1000 * (user + system)) / given.weights);
    return packed;
  };
  const order: readonly Side[] = round % 2 === 0 ? ["now", "before"] : ["before", "now"];
  const [one, two] = order.map(pack);
  assert.deepEqual(one, two);
}
for (const side of ["now", "before"] as const)
  console.log(
    `${side}: ${quantile(spent[side], 0.5).toFixed(1)} ns a weight, least ${quantile(spent[side], 0).toFixed(1)}`,
  );
