/**
 * Claim: where nothing but a counted memory's mixture is trained, a step costs no more than 1.1 forward passes.
 *
 *   node bench/frozen-step.ts [preset=tiny] [threads=1] [rounds=9]
 *
 * The training graph with all weights trained, the same with the mixture's alone, and the evaluation graph, on the same
 * shapes; they take turns, and medians of the process' processor time are compared. Optimizers and look-ups are not part of it: the
 * mixture's weights are a few hundred.
 */
import { readWords } from "./setup/command-line.ts";
import { findBenchPreset } from "./setup/bench-presets.ts";
import {
  evalGraph,
  initialParams,
  type ModelConfig,
  paramLayout,
  paramViews,
  trainGraph,
} from "../src/model/index.ts";
import { type Binding, type Graph, type Value, zeros } from "../src/tensor/index.ts";
import { ortBackend } from "../src/tensor/backends/onnx/node/index.ts";
import { median } from "./setup/training-run.ts";

const { preset, threads, rounds } = readWords({ preset: "tiny", threads: 1, rounds: 9 });
const { model: sizes, vocabSize, training } = findBenchPreset(preset);
const backend = ortBackend({ threads });
const config: ModelConfig = { ...sizes, vocabSize, counted: { order: 4 } };
const layout = paramLayout(config);
const params = paramViews(layout, initialParams(layout, 1));

async function bind(graph: Graph): Promise<Binding> {
  const executable = await backend.compile(graph);
  const inputs: Record<string, Value> = {};
  for (const [name, { dtype, shape }] of graph.inputs)
    inputs[name] = params[name] ?? zeros(dtype, shape);
  const outputs: Record<string, Value> = {};
  for (const [name, { dtype, shape }] of graph.outputs) outputs[name] = zeros(dtype, shape);
  return executable.bind(inputs, outputs);
}

const graphs = {
  forward: evalGraph(config, training),
  frozen: trainGraph(config, training, paramLayout(config, "memory").specs),
  all: trainGraph(config, training),
};
const bound = await Promise.all(Object.values(graphs).map(bind));
const times: number[][] = bound.map(() => []);
for (let round = 0; round <= rounds; round++)
  for (const [i, binding] of bound.entries()) {
    const begun = process.cpuUsage();
    await binding.run();
    const { user, system } = process.cpuUsage(begun);
    // The first run of each is not like the others.
    if (round > 0) times[i]!.push((user + system) / 1000);
  }
const [forward, frozen, all] = times.map(median) as [number, number, number];
console.log(
  `${training.batch * training.length} tokens, ms of the processor: forward ${forward.toFixed(0)}, frozen backbone ` +
    `${frozen.toFixed(0)} (${(frozen / forward).toFixed(2)}), all ${all.toFixed(0)} (${(all / forward).toFixed(2)})`,
);
await backend.dispose();
