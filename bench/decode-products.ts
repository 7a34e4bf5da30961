/**
 * Which share of a decode step with packed weights are its products. Stands for no claim: it says where to look.
 *
 *   node bench/decode-products.ts [--model 7m, 30m, 138m or FILE.gguf=7m] [--dtype q8_0 or q4_0=q8_0] [--context 64] [--rounds 41]
 *     [--tokens 8]
 *
 * By turns in one process, processor time: whole steps (`append` and the choice of the likeliest id); a graph of the same
 * products by the same matrices alone, queries, keys and values being one as in the step, and gate and up; and a graph of one
 * small sum, which is what a run costs by itself. One thread. Matrices of one step are read once in each, so caches see the same.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { argmax, Decoder } from "../src/inference/index.ts";
import { loadModel } from "../src/load-model.ts";
import { paramSpecs, type QuantizedMatrix } from "../src/model/index.ts";
import { ortBackend } from "../src/tensor/backends/onnx/node/index.ts";
import { type Graph, GraphBuilder, zeros } from "../src/tensor/index.ts";
import { findBenchPreset } from "./setup/bench-presets.ts";
import { readOptions } from "./setup/command-line.ts";
import { quantile } from "./setup/decode-rounds.ts";
import { type GgufDtype, randomGguf } from "./setup/random-gguf.ts";

const given = readOptions({ model: "7m", dtype: "q8_0", context: 64, rounds: 41, tokens: 8 });
const { context, rounds, tokens } = given;
const folder = await mkdtemp(join(tmpdir(), "engram-products-"));
let path = given.model;
if (!path.endsWith(".gguf")) {
  path = join(folder, "model.gguf");
  const preset = findBenchPreset(given.model === "7m" ? "small" : given.model);
  await writeFile(path, randomGguf(preset, given.dtype as GgufDtype));
}
const backend = ortBackend({ threads: 1 });
const model = await loadModel(path, { backend });
await rm(folder, { recursive: true });

/** Matrices of a layer that read the same x and lie one behind the other in memory. */
const together = /\.(?:k|v|up)_proj\.weight$/;

/** The matrices as a step multiplies by them. */
function matrices(): QuantizedMatrix[] {
  const { config, quantized } = model.language;
  const found: QuantizedMatrix[] = [];
  for (const { name } of paramSpecs(config)) {
    const next = quantized?.get(name);
    if (next === undefined) continue;
    const last = found.at(-1);
    const { codes } = next;
    if (last === undefined || !together.test(name)) found.push(next);
    else
      found[found.length - 1] = {
        ...last,
        shape: [last.shape[0] + next.shape[0], last.shape[1]],
        codes: new Uint8Array(
          codes.buffer,
          last.codes.byteOffset,
          last.codes.length + codes.length,
        ),
        scales: new Float32Array(
          last.scales.buffer,
          last.scales.byteOffset,
          last.scales.length + next.scales.length,
        ),
      };
  }
  return found;
}

async function compiled(graph: Graph): Promise<() => Promise<void>> {
  const executable = await backend.compile(graph);
  const tensors = (of: Graph["inputs"]) =>
    Object.fromEntries([...of].map(([name, { dtype, shape }]) => [name, zeros(dtype, shape)]));
  const inputs = tensors(graph.inputs);
  for (const { data } of Object.values(inputs)) data.fill(0.5);
  const binding = executable.bind(inputs, tensors(graph.outputs));
  return () => binding.run();
}

function products(all: readonly QuantizedMatrix[]): Graph {
  const g = new GraphBuilder();
  const outputs = all.map(({ shape: [rows, width], bits, codes, scales }, i) => {
    const x = g.input(`x${i}`, "f32", [1, width]);
    const packed = {
      bits,
      codes: g.constant(codes, [rows, (width * bits) / 8], { dtype: "u8" }),
      scales: g.constant(scales, [rows, width / 32]),
    };
    return [`y${i}`, g.matmulQuantized(x, packed)] as const;
  });
  return g.build(Object.fromEntries(outputs));
}

const g = new GraphBuilder();
const sum = g.add(g.input("x", "f32", [8]), 1);
const all = matrices();
const session = new Decoder(model.language, { capacity: context + tokens + 1 }).createSession();
await session.append(Array.from({ length: context }, (_, i) => (i * 31) % model.config.vocabSize));
const runs = {
  products: await compiled(products(all)),
  run: await compiled(g.build({ y: sum })),
};
let id = 1;
const sides = {
  step: async () => {
    id = argmax((await session.append([id])).logits);
  },
  ...runs,
};
type Side = keyof typeof sides;
const spent: Record<Side, number[]> = { step: [], products: [], run: [] };
for (let round = -2; round < rounds; round++) {
  session.rewind(context);
  for (const name of Object.keys(sides) as Side[]) {
    const begun = process.cpuUsage();
    for (let i = 0; i < tokens; i++) await sides[name]();
    const { user, system } = process.cpuUsage(begun);
    if (round >= 0) spent[name].push((user + system) / tokens);
  }
}
const bytes = all.reduce((n, { codes, scales }) => n + codes.length + scales.byteLength, 0);
const us = (side: Side, share: number): number => quantile(spent[side], share);
for (const share of [0.1, 0.5])
  console.log(
    `${given.model} ${given.dtype}, quantile ${share}: a step ${us("step", share).toFixed(0)} us, its ${all.length} products ` +
      `${us("products", share).toFixed(0)} (${(bytes / us("products", share) / 1000).toFixed(1)} GB/s), a run ${us("run", share).toFixed(0)}; ` +
      `of rounds, products over steps ${quantile(
        spent.products.map((t, i) => t / spent.step[i]!),
        0.5,
      ).toFixed(3)}`,
  );
process.exit(0);
