/**
 * How fast the ONNX backend multiplies matrices, and what the passes around the products cost.
 * Claims it stands for: the raw rate that a training step is compared with, and the price of a call.
 *
 *   node bench/matmul-rate.ts [threads=2] [seconds per line=0.3]
 *
 * Prints the best of the repeats. One thread count a process: the pool is process-wide.
 */
import { readWords } from "./setup/command-line.ts";
import { GraphBuilder, type Shape, sizeOf, type Tensor, zeros } from "../src/tensor/index.ts";
import { ortBackend } from "../src/tensor/backends/onnx/node/index.ts";

const { threads, seconds } = readWords({ threads: 2, seconds: 0.3 });
const backend = ortBackend({ threads });

interface Case {
  readonly label: string;
  /** Shapes of the f32 inputs. */
  readonly shapes: readonly Shape[];
  readonly build: (g: GraphBuilder, x: readonly Tensor[]) => Tensor | readonly Tensor[];
  /** Floating point operations, for lines that print a rate. */
  readonly flop?: number;
  /** Upper bound of i32 inputs, which follow the f32 ones: [shape, bound]. */
  readonly ids?: readonly (readonly [Shape, number])[];
}

/** Milliseconds of the quickest run. */
async function time(c: Case): Promise<number> {
  const g = new GraphBuilder();
  const floats = c.shapes.map((shape, i) => g.input(`x${i}`, "f32", shape));
  const ids = (c.ids ?? []).map(([shape], i) => g.input(`id${i}`, "i32", shape));
  const built = c.build(g, [...floats, ...ids]);
  const results = Array.isArray(built) ? (built as readonly Tensor[]) : [built as Tensor];
  const graph = g.build(Object.fromEntries(results.map((t, i) => [`y${i}`, t])));
  const values = new Map([...graph.inputs].map(([name, t]) => [name, zeros(t.dtype, t.shape)]));
  let state = 1;
  const random = (): number => (state = (state * 48271) % 2147483647) / 2147483647;
  for (const [name, { data }] of values) {
    const bound = name.startsWith("id") ? c.ids![Number(name.slice(2))]![1] : 0;
    for (let i = 0; i < data.length; i++)
      data[i] = bound > 0 ? Math.floor(random() * bound) : random() - 0.5;
  }
  const outputs = [...graph.outputs].map(([name, t]) => [name, zeros(t.dtype, t.shape)]);
  const executable = await backend.compile(graph);
  const binding = executable.bind(Object.fromEntries(values), Object.fromEntries(outputs));
  let best = Infinity;
  const end = performance.now() + seconds * 1000;
  for (let i = 0; i < 3 || performance.now() < end; i++) {
    const start = performance.now();
    await binding.run();
    best = Math.min(best, performance.now() - start);
  }
  await executable.dispose();
  return best;
}

async function report(c: Case): Promise<void> {
  const ms = await time(c);
  const rate = c.flop === undefined ? "" : `${(c.flop / ms / 1e6).toFixed(0).padStart(6)} GFLOP/s`;
  console.log(`${c.label.padEnd(52)} ${ms.toFixed(3).padStart(9)} ms ${rate}`);
}

function product(m: number, k: number, n: number, form: "NN" | "NT" | "TN" | "TT"): Case {
  const [transA, transB] = [form[0] === "T", form[1] === "T"];
  return {
    label: `matmul ${form} M=${m} K=${k} N=${n}`,
    shapes: [transA ? [k, m] : [m, k], transB ? [n, k] : [k, n]],
    build: (g, [a, b]) => g.matmul(a!, b!, { transA, transB }),
    flop: 2 * m * k * n,
  };
}

console.log(`threads ${threads}`);
const M = 2048;
for (const [k, n] of [
  [256, 256],
  [256, 1024],
  [384, 384],
  [384, 1024],
  [1024, 384],
  [1024, 1024],
  [384, 8192],
] as const) {
  await report(product(M, k, n, "NN"));
  await report(product(M, k, n, "NT"));
  await report(product(k, M, n, "TN"));
}
await report(product(M, 8192, 384, "NN"));
await report(product(8192, M, 384, "TN"));
const square: Shape = [M, 1024];
const heads: Shape = [8, 6, 256, 64];
const lines: readonly Case[] = [
  { label: "call: add on [1]", shapes: [[1], [1]], build: (g, [a, b]) => g.add(a!, b!) },
  { label: "add [2048,1024]", shapes: [square, square], build: (g, [a, b]) => g.add(a!, b!) },
  { label: "mul [2048,1024]", shapes: [square, square], build: (g, [a, b]) => g.mul(a!, b!) },
  {
    label: "mul [2048,1024] x [1024]",
    shapes: [square, [1024]],
    build: (g, [a, b]) => g.mul(a!, b!),
  },
  {
    label: "mul [2048,1024] x [2048,1]",
    shapes: [square, [M, 1]],
    build: (g, [a, b]) => g.mul(a!, b!),
  },
  { label: "mul [2048,1024] x scalar", shapes: [square], build: (g, [a]) => g.mul(a!, 0.5) },
  { label: "div [2048,1024]", shapes: [square, square], build: (g, [a, b]) => g.div(a!, b!) },
  {
    label: "maximum [2048,1024]",
    shapes: [square, square],
    build: (g, [a, b]) => g.maximum(a!, b!),
  },
  { label: "neg [2048,1024]", shapes: [square], build: (g, [a]) => g.neg(a!) },
  { label: "abs [2048,1024]", shapes: [square], build: (g, [a]) => g.abs(a!) },
  { label: "exp [2048,1024]", shapes: [square], build: (g, [a]) => g.exp(a!) },
  { label: "sqrt [2048,1024]", shapes: [square], build: (g, [a]) => g.sqrt(a!) },
  { label: "reciprocal [2048,1024]", shapes: [square], build: (g, [a]) => g.reciprocal(a!) },
  { label: "sigmoid [2048,1024]", shapes: [square], build: (g, [a]) => g.sigmoid(a!) },
  { label: "silu [2048,1024]", shapes: [square], build: (g, [a]) => g.silu(a!) },
  {
    label: "rmsNorm [2048,1024]",
    shapes: [square, [1024]],
    build: (g, [a, b]) => g.rmsNorm(a!, b!, 1e-6),
  },
  {
    label: "rmsNorm [2048,384]",
    shapes: [[M, 384], [384]],
    build: (g, [a, b]) => g.rmsNorm(a!, b!, 1e-6),
  },
  {
    label: "reduceSum [2048,1024] axis 0",
    shapes: [square],
    build: (g, [a]) => g.reduceSum(a!, [0]),
  },
  {
    label: "reduceSum [2048,1024] axis 1",
    shapes: [square],
    build: (g, [a]) => g.reduceSum(a!, [1]),
  },
  {
    label: "reduceMean [2048,1024] axis 1",
    shapes: [square],
    build: (g, [a]) => g.reduceMean(a!, [1]),
  },
  {
    label: "reduceSum [2048,1024] both",
    shapes: [square],
    build: (g, [a]) => g.reduceSum(a!, [0, 1]),
  },
  {
    label: "reduceSum [8,256,1024] axes 0,1",
    shapes: [[8, 256, 1024]],
    build: (g, [a]) => g.reduceSum(a!, [0, 1]),
  },
  { label: "less [2048,1024]", shapes: [square, square], build: (g, [a, b]) => g.less(a!, b!) },
  {
    label: "where(less) [2048,1024]",
    shapes: [square, square],
    build: (g, [a, b]) => g.where(g.less(a!, b!), a!, b!),
  },
  {
    label: "concat 2 x [2048,1024] axis 1",
    shapes: [square, square],
    build: (g, [a, b]) => g.concat([a!, b!], 1),
  },
  {
    label: "slice [2048,1024] to 512 columns",
    shapes: [square],
    build: (g, [a]) => g.slice(a!, 1, 256, 768),
  },
  {
    label: "slice [8,256,1024] shift along T",
    shapes: [[8, 256, 1024]],
    build: (g, [a]) => g.slice(a!, 1, 0, 253),
  },
  {
    label: "pad [8,253,1024] by 3 along T",
    shapes: [[8, 253, 1024]],
    build: (g, [a]) => g.pad(a!, 1, 3, 0),
  },
  {
    label: "reshape+add [2048,1024]",
    shapes: [square, [8, 256, 1024]],
    build: (g, [a, b]) => g.add(g.reshape(g.neg(a!), [8, 256, 1024]), b!),
  },
  {
    label: "transpose [8,256,6,64] 0,2,1,3",
    shapes: [[8, 256, 6, 64]],
    build: (g, [a]) => g.transpose(a!, [0, 2, 1, 3]),
  },
  {
    label: "transpose [8,6,256,64] 0,2,1,3",
    shapes: [heads],
    build: (g, [a]) => g.transpose(a!, [0, 2, 1, 3]),
  },
  {
    label: "transpose [2048,1024] 1,0",
    shapes: [square],
    build: (g, [a]) => g.transpose(a!, [1, 0]),
  },
  {
    label: "rotary [8,6,256,64]",
    shapes: [heads, [256, 32], [256, 32]],
    build: (g, [a, b, c]) => g.rotary(a!, b!, c!),
  },
  {
    label: "attention [8,6,256,64]",
    shapes: [heads, heads, heads, [8, 1, 256, 256]],
    build: (g, [q, k, v, b]) => g.attention(q!, k!, v!, b!, 0.125),
    flop: 4 * 8 * 6 * 256 * 256 * 64,
  },
  {
    label: "batched NT [48,256,64] x [48,256,64]",
    shapes: [
      [48, 256, 64],
      [48, 256, 64],
    ],
    build: (g, [a, b]) => g.matmul(a!, b!, { transB: true }),
    flop: 2 * 48 * 256 * 256 * 64,
  },
  {
    label: "batched NN [48,256,256] x [48,256,64]",
    shapes: [
      [48, 256, 256],
      [48, 256, 64],
    ],
    build: (g, [a, b]) => g.matmul(a!, b!),
    flop: 2 * 48 * 256 * 256 * 64,
  },
  {
    label: "batched TN [48,256,256] x [48,256,64]",
    shapes: [
      [48, 256, 256],
      [48, 256, 64],
    ],
    build: (g, [a, b]) => g.matmul(a!, b!, { transA: true }),
    flop: 2 * 48 * 256 * 256 * 64,
  },
  { label: "softmax [48,256,256]", shapes: [[48, 256, 256]], build: (g, [a]) => g.softmax(a!) },
  { label: "softmax [2048,8192]", shapes: [[M, 8192]], build: (g, [a]) => g.softmax(a!) },
  {
    label: "mul [2048,8192] x [2048,1]",
    shapes: [
      [M, 8192],
      [M, 1],
    ],
    build: (g, [a, b]) => g.mul(a!, b!),
  },
  {
    label: "linearCrossEntropy N=2048 D=384 V=8192",
    shapes: [
      [M, 384],
      [8192, 384],
    ],
    ids: [[[M], 8192]],
    build: (g, [h, w, l]) => g.linearCrossEntropy(h!, w!, l!),
    flop: 2 * M * 384 * 8192,
  },
  {
    label: "subtractOneHot [2048,8192] of a softmax",
    shapes: [[M, 8192]],
    ids: [[[M], 8192]],
    build: (g, [p, l]) => g.subtractOneHot(g.softmax(p!), l!),
  },
  {
    label: "gatherRows [8192,384] by 2048",
    shapes: [[8192, 384]],
    ids: [[[M], 8192]],
    build: (g, [t, i]) => g.gatherRows(t!, i!),
  },
  {
    label: "scatterAddRows 2048 x 384 into 8192",
    shapes: [[M, 384]],
    ids: [[[M], 8192]],
    build: (g, [r, i]) => g.scatterAddRows(i!, r!, 8192),
  },
];
for (const c of lines) await report(c);
console.log(`largest input ${(sizeOf([M, 8192]) * 4) / 2 ** 20} MiB`);
await backend.dispose();
