/**
 * Claims: training with memory takes at most 1.10 of the time a step that the same backbone takes
 * without, at 1 M rows, and no more at 100 M rows: the cost does not grow with the table.
 *
 *   node bench/memory-overhead.ts [preset=small] [threads=2] [rounds=9] [million rows=1,100]
 *
 * Inside the window: whole steps of three trainers on one backend (no memory, and one for each number
 * of rows), the same batches, taking turns within a round; hashing, look-up, gate, gradients, both
 * optimizers and writing back included. Ratios are of medians. Tables start as untouched zero pages;
 * the rows of a first visit cost their page faults within the window.
 */
import { readWords } from "./setup/command-line.ts";
import { findBenchPreset } from "./setup/bench-presets.ts";
import { ortBackend } from "../src/tensor/backends/onnx/node/index.ts";
import { benchRun, median } from "./setup/training-run.ts";

const given = readWords({ preset: "small", threads: 2, rounds: 9, millions: "1,100" });
const { threads, rounds } = given;
const millions = given.millions.split(",").map(Number);
const preset = findBenchPreset(given.preset);
const backend = ortBackend({ threads });
const { layerIds, maxNgramSize, numHeads } = preset.memory;
const buckets = layerIds.length * (maxNgramSize - 1) * numHeads;

const runs = [{ name: "no memory", ...(await benchRun(preset, { backend, bucketRows: 0 })) }];
for (const million of millions) {
  const bucketRows = Math.round((million * 1e6) / buckets);
  runs.push({ name: `${million} M rows`, ...(await benchRun(preset, { backend, bucketRows })) });
}
const times = runs.map((): number[] => []);
for (const { trainer } of runs) await trainer.step();
for (let round = 0; round < rounds; round++)
  for (const [i, { trainer }] of runs.entries()) {
    const start = performance.now();
    await trainer.step();
    times[i]!.push(performance.now() - start);
  }
const base = median(times[0]!);
console.log(`preset=${given.preset} threads=${threads} rounds=${rounds}`);
for (const [i, { name, state }] of runs.entries()) {
  const ms = median(times[i]!);
  const weights = state.layout.length;
  console.log(
    `${name.padEnd(12)} ${ms.toFixed(0).padStart(6)} ms a step  ratio ${(ms / base).toFixed(3)}  ` +
      `(${weights} weights)${i === 0 ? "" : "  bar: 1.10"}`,
  );
}
process.exit(0);
