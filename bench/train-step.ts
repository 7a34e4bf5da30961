/**
 * Claim: a whole training step reaches at least 0.70 of the engine's matrix-product rate.
 *
 *   node bench/train-step.ts [preset=small] [threads=2] [rounds=7] [matrices=adamw|muon]
 *
 * Inside the window of a step: look-up and decoding of rows, forward, backward, clipping, both
 * optimizers, and the addressing of the next batch. The rate it is compared with: every matrix product
 * of the training graph alone, at its own shape and with its own transposes, on the same backend, bound
 * to memory in the same way; each distinct one is timed, its time counted as often as it occurs. Steps
 * and products take turns within a round; the ratio is of medians over the rounds.
 * Products of the optimizer (Muon) count as overhead, not as the model's.
 */
import { readWords } from "./setup/command-line.ts";
import { findBenchPreset } from "./setup/bench-presets.ts";
import { trainGraph } from "../src/model/index.ts";
import {
  type Binding,
  GraphBuilder,
  type Node,
  sizeOf,
  type Tensor,
  zeros,
} from "../src/tensor/index.ts";
import { ortBackend } from "../src/tensor/backends/onnx/node/index.ts";
import { benchRun, median } from "./setup/training-run.ts";

const given = readWords({ preset: "small", threads: 2, rounds: 7, matrices: undefined });
const { preset: presetName, threads, rounds } = given;
const found = findBenchPreset(presetName);
const matrices = (given.matrices ?? found.training.matrices) as "adamw" | "muon";
const preset = { ...found, training: { ...found.training, matrices } };
const backend = ortBackend({ threads });
const { model, trainer } = await benchRun(preset, { backend });

/** One product of the graph: operand shapes as they lie in memory. */
interface Product {
  readonly a: readonly number[];
  readonly b: readonly number[];
  readonly transA: boolean;
  readonly transB: boolean;
}

function productsOf(node: Node): Product[] {
  const [x, y] = node.inputs.map((t) => t.shape) as [readonly number[], readonly number[]];
  if (node.op === "matmul") {
    const { transA, transB } = node.attrs as { transA: boolean; transB: boolean };
    return [{ a: x, b: y, transA, transB }];
  }
  if (node.op === "linearCrossEntropy") return [{ a: x, b: y, transA: false, transB: true }];
  if (node.op === "attention")
    return [
      { a: x, b: y, transA: false, transB: true },
      { a: node.outputs[1]!.shape, b: y, transA: false, transB: false },
    ];
  return [];
}

function flop({ a, b, transA }: Product): number {
  // Each element of the result takes `inner` multiplications and additions.
  const inner = transA ? a.at(-2)! : a.at(-1)!;
  const batch = sizeOf(a.slice(0, -2));
  return 2 * batch * (sizeOf(a) / batch / inner) * (sizeOf(b) / batch / inner) * inner;
}

async function bindProduct({ a, b, transA, transB }: Product): Promise<Binding> {
  const g = new GraphBuilder();
  const inputs: Tensor[] = [g.input("a", "f32", a), g.input("b", "f32", b)];
  const y = g.matmul(inputs[0]!, inputs[1]!, { transA, transB });
  const executable = await backend.compile(g.build({ y }));
  const value = (shape: readonly number[]) => {
    const v = zeros("f32", shape);
    for (let i = 0; i < v.data.length; i++) v.data[i] = Math.sin(i);
    return v;
  };
  return executable.bind({ a: value(a), b: value(b) }, { y: zeros("f32", y.shape) });
}

const graph = trainGraph(model.config, preset.training);
const counts = new Map<string, number>();
for (const node of graph.nodes)
  for (const product of productsOf(node)) {
    const key = JSON.stringify(product);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
const products = await Promise.all(
  [...counts].map(async ([key, count]) => {
    const product = JSON.parse(key) as Product;
    return { product, count, binding: await bindProduct(product), ms: [] as number[] };
  }),
);
const { accumulate } = preset.training;
const gflop =
  (products.reduce((n, { product, count }) => n + flop(product) * count, 0) * accumulate) / 1e9;

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

for (let i = 0; i < 2; i++) await trainer.step();
const steps: number[] = [];
for (let round = 0; round < rounds; round++) {
  steps.push(await timed(() => trainer.step()));
  for (const { binding, ms } of products) {
    // Short products several times, so that a call's overhead and a stray interrupt do not count.
    const repeats = 4;
    ms.push(
      (await timed(async () => {
        for (let i = 0; i < repeats; i++) await binding.run();
      })) / repeats,
    );
  }
}
const productMs = accumulate * products.reduce((n, { ms, count }) => n + median(ms) * count, 0);
const stepMs = median(steps);
const tokens = preset.training.batch * preset.training.length * accumulate;
console.log(
  [
    `preset=${presetName} matrices=${matrices} threads=${threads} rounds=${rounds}`,
    `products: ${gflop.toFixed(1)} GFLOP a step at ${((gflop / productMs) * 1000).toFixed(0)} GFLOP/s alone`,
    `step: ${((gflop / stepMs) * 1000).toFixed(0)} GFLOP/s, ${((tokens / stepMs) * 1000).toFixed(0)} tokens/s`,
    `ratio ${(productMs / stepMs).toFixed(3)} (bar: 0.70)`,
  ].join("\n"),
);
process.exit(0);
