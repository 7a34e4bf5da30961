/**
 * Cases of products and of the composite ops: masks, extreme logits, caches in every phase.
 */
import { type Shape, type Value, valueOf } from "../../../src/tensor/index.ts";
import { type Draw, draw } from "../random.ts";
import {
  absolute,
  type CasesOf,
  evaluateOp,
  largest,
  type Magnitude,
  type Numbers,
  opCase,
  type OpCase,
  sumOfTerms,
} from "./op-case.ts";

const none = {};

const products: readonly (readonly [m: number, k: number, n: number])[] = [
  [3, 5, 7],
  [1, 1, 1],
  [1, 8, 17],
  [33, 64, 31],
  [64, 300, 5],
];
const batches: readonly Shape[] = [[], [1], [3], [1, 1], [2, 3]];
const flags = [false, true];

const matmulCases = batches.flatMap((batch) =>
  flags.flatMap((transA) =>
    flags.flatMap((transB) =>
      products.map(([m, k, n], i): OpCase<"matmul"> => {
        const d = draw(i);
        const a = d.normal([...batch, ...(transA ? [k, m] : [m, k])]);
        const b = d.normal([...batch, ...(transB ? [n, k] : [k, n])]);
        return opCase([a, b], { transA, transB }, `transA ${transA} transB ${transB}`);
      }),
    ),
  ),
);

/** Replaces some elements by -Infinity, never all of a row of `width`. */
function withHoles(d: Draw, v: Value, width: number): Value {
  const data = Float32Array.from(v.data);
  for (let row = 0; row < data.length; row += width) {
    const kept = Math.floor(d.unit() * width);
    for (let i = 0; i < width; i++) if (i !== kept && d.unit() < 0.4) data[row + i] = -Infinity;
  }
  return { ...v, data };
}

const softmaxShapes: readonly Shape[] = [[7], [1], [3, 1], [5, 33], [2, 3, 4, 65], [1, 1, 1, 2]];

/** The error of exp(x) / sum is that of x, in each element's own size. */
function ofLogits(probs: Numbers, logit: number): Float64Array {
  return Float64Array.from(probs, (p) => p * (1 + logit) + 1e-6);
}

const rmsShapes: readonly Shape[] = [[7], [1, 1], [5, 1], [3, 8], [2, 3, 33], [2, 3, 4, 16]];

function rmsCase(shape: Shape, size: number, eps: number): OpCase<"rmsNorm"> {
  const d = draw(shape.length);
  const x = d.normal(shape, size);
  return opCase([x, d.normal(shape.slice(-1))], { eps }, `of size ${size}, eps ${eps}`);
}

const rotaryShapes: readonly (readonly [shape: Shape, rotated: number])[] = [
  [[2, 3, 5, 8], 8],
  [[1, 1, 1, 2], 2],
  [[1, 4, 33, 64], 64],
  [[3, 1, 2, 6], 6],
  [[2, 3, 5, 8], 2],
  [[1, 4, 33, 64], 16],
  [[3, 1, 2, 7], 4],
  [[1, 2, 1, 16], 4],
];

/** Both halves of a rotation are sums of two products. */
const ofRotation: Magnitude<"rotary"> = (inputs, attrs) => {
  const [x, cos, sin] = inputs.map(absolute) as [Value, Value, Value];
  const minus = { ...sin, data: Float32Array.from(sin.data, (v) => -v) };
  const [plus] = evaluateOp("rotary", [x, cos, sin], attrs);
  const [other] = evaluateOp("rotary", [x, cos, minus], attrs);
  return [Float64Array.from(plus!, (v, i) => Math.max(v, other![i]!))];
};

interface Attention {
  readonly shape: { b: number; h: number; m: number; n: number; d: number };
  readonly mask: "none" | "causal" | "holes";
  readonly size?: number;
}

const attentions: readonly Attention[] = [
  { shape: { b: 1, h: 1, m: 1, n: 1, d: 2 }, mask: "none" },
  { shape: { b: 2, h: 3, m: 5, n: 5, d: 8 }, mask: "causal" },
  { shape: { b: 2, h: 1, m: 5, n: 9, d: 8 }, mask: "holes" },
  { shape: { b: 1, h: 4, m: 7, n: 3, d: 5 }, mask: "none" },
  { shape: { b: 3, h: 2, m: 1, n: 17, d: 4 }, mask: "holes" },
  { shape: { b: 1, h: 2, m: 33, n: 33, d: 64 }, mask: "causal" },
  { shape: { b: 2, h: 2, m: 8, n: 8, d: 16 }, mask: "causal", size: 10 },
  { shape: { b: 2, h: 3, m: 130, n: 130, d: 32 }, mask: "causal" },
  { shape: { b: 2, h: 4, m: 48, n: 48, d: 32 }, mask: "holes" },
];

// Not 1 / sqrt(d), which some kernels take when they are told nothing.
function attentionCase({ shape, mask, size = 1 }: Attention): OpCase<"attention"> {
  const { b, h, m, n, d: width } = shape;
  const d = draw(m * n);
  const [q, k, v] = [
    d.normal([b, h, m, width], size),
    d.normal([b, h, n, width], size),
    d.normal([b, h, n, width]),
  ];
  let bias = d.normal([b, 1, m, n]);
  if (mask === "holes") bias = withHoles(d, bias, n);
  if (mask === "causal") {
    const causal = Float32Array.from(bias.data, (_, i) =>
      i % n <= Math.floor(i / n) % m ? 0 : -Infinity,
    );
    bias = { ...bias, data: causal };
  }
  return opCase([q, k, v, bias], { scale: 0.8 / Math.sqrt(width) }, `${mask}, of size ${size}`);
}

function largestProduct(q: Value, k: Value, scale: number): number {
  const terms = evaluateOp("matmul", [absolute(q), absolute(k)], { transA: false, transB: true });
  return scale * largest(terms[0]!);
}

const ofAttention: Magnitude<"attention"> = ([q, k, v, bias], { scale }, [, probs]) => {
  const logit = largestProduct(q!, k!, scale) + largest(bias!.data);
  return [largest(v!.data) * (1 + logit), ofLogits(probs!, logit)];
};

function layerNormCase(shape: Shape, size: number, eps: number): OpCase<"layerNorm"> {
  const d = draw(shape.length);
  const x = d.normal(shape, size);
  const [gain, bias] = [d.normal(shape.slice(-1)), d.normal(shape.slice(-1))];
  return opCase([x, gain, bias], { eps }, `of size ${size}, eps ${eps}`);
}

/** The mean and what it is subtracted from cancel; what is left is divided by their spread. */
const ofLayerNorm: Magnitude<"layerNorm"> = ([x, gain, bias], _, [, mean, r]) => {
  const width = gain!.data.length;
  const size = (row: number): number =>
    largest(x!.data.subarray(row * width, (row + 1) * width)) + Math.abs(mean![row]!);
  const rows = Array.from(r!, (_value, row) => size(row));
  const ofRow = rows.map((value, row) => 1 + value * r![row]!);
  return [
    Float64Array.from(x!.data, (_value, i) => {
      const row = Math.floor(i / width);
      return ofRow[row]! * Math.abs(gain!.data[i % width]!) + Math.abs(bias!.data[i % width]!);
    }),
    rows,
    Float64Array.from(r!, (value, row) => value * ofRow[row]!),
  ];
};

/** cos and sin of random angles. */
function anglesOf(d: ReturnType<typeof draw>, shape: readonly number[]): [cos: Value, sin: Value] {
  const { data } = d.uniform(shape, 0, 100);
  return [
    valueOf(Float32Array.from(data, Math.cos), shape),
    valueOf(Float32Array.from(data, Math.sin), shape),
  ];
}

interface Cached {
  readonly note: string;
  readonly window?: number;
  readonly heads: readonly [queries: number, keys: number];
  readonly length: number;
  readonly past: readonly number[];
  readonly capacity: number;
  readonly width?: number;
  /** Width of the part of queries and keys that is turned. */
  readonly rotated?: number;
}

const cached: readonly Cached[] = [
  { note: "prefill", heads: [2, 2], length: 5, past: [0], capacity: 16 },
  { note: "prefill of the whole cache", heads: [2, 1], length: 16, past: [0], capacity: 16 },
  { note: "prefill of two", heads: [4, 2], length: 7, past: [0, 0], capacity: 9 },
  { note: "chunk after prefill", heads: [4, 2], length: 4, past: [5], capacity: 16 },
  { note: "chunk to the end", heads: [2, 2], length: 4, past: [12, 12], capacity: 16 },
  { note: "chunk of two sequences", heads: [6, 2], length: 3, past: [8, 8], capacity: 33 },
  ...[0, 1, 2, 7, 8, 15, 16, 31, 62, 63].map((p) => ({
    note: `one token at ${p}`,
    heads: [4, 2] as const,
    length: 1,
    past: [p],
    capacity: 64,
  })),
  { note: "one token each", heads: [4, 4], length: 1, past: [0, 5, 11], capacity: 12 },
  { note: "one token each, grouped", heads: [6, 3], length: 1, past: [30, 0, 7, 31], capacity: 32 },
  { note: "one key head", heads: [8, 1], length: 1, past: [3, 9], capacity: 10, width: 16 },
  { note: "a cache of one", heads: [2, 2], length: 1, past: [0], capacity: 1, width: 2 },
  { note: "odd width", heads: [3, 3], length: 6, past: [1], capacity: 8, width: 5 },
  { note: "long", heads: [8, 2], length: 32, past: [200], capacity: 512, width: 64 },
  // Of widths that a fused kernel turns itself, and of others.
  ...[
    { width: 16, rotated: 16 },
    { width: 64, rotated: 16 },
    { width: 64, rotated: 20 },
    { width: 24, rotated: 16 },
    { width: 6, rotated: 4 },
  ].flatMap((turned): Cached[] => [
    { note: "turned prefill", heads: [4, 2], length: 5, past: [0], capacity: 16, ...turned },
    { note: "turned chunk", heads: [4, 2], length: 4, past: [9], capacity: 16, ...turned },
    {
      note: "turned chunk of two",
      heads: [4, 2],
      length: 3,
      past: [8, 8],
      capacity: 12,
      ...turned,
    },
    { note: "one turned token", heads: [2, 2], length: 1, past: [15], capacity: 16, ...turned },
    { note: "turned, each", heads: [4, 2], length: 1, past: [0, 5, 11], capacity: 12, ...turned },
    { note: "turned firsts", heads: [4, 2], length: 1, past: [0, 0], capacity: 12, ...turned },
  ]),
  ...[1, 2, 5, 16, 40].flatMap((window): Cached[] => [
    { note: "prefill", heads: [4, 2], length: 16, past: [0], capacity: 32, window },
    { note: "chunk", heads: [4, 2], length: 6, past: [11], capacity: 32, window },
    { note: "one token each", heads: [4, 2], length: 1, past: [0, 5, 30], capacity: 32, window },
    { note: "odd width", heads: [3, 3], length: 6, past: [7], capacity: 16, width: 5, window },
  ]),
];

/** The cache holds large stale numbers after `past`, as it does once a session was rewound. */
function cachedCase(
  { note, heads, length, past, capacity, width = 8, window, rotated }: Cached,
  seed: number,
): OpCase<"cachedAttention"> {
  const d = draw(seed);
  const b = past.length;
  const cache = (): Value => {
    const v = d.normal([b, heads[1], capacity, width]);
    for (let i = 0; i < v.data.length; i++) {
      const position = Math.floor(i / width) % capacity;
      const sequence = Math.floor(i / (width * capacity * heads[1]));
      if (position >= past[sequence]!) v.data[i]! *= 1000;
    }
    return v;
  };
  return opCase(
    [
      d.normal([b, heads[0], length, width]),
      d.normal([b, heads[1], length, width]),
      d.normal([b, heads[1], length, width]),
      cache(),
      cache(),
      valueOf(Int32Array.from(past), [b]),
      ...(rotated === undefined ? [] : anglesOf(d, [capacity, rotated / 2])),
    ],
    { scale: 0.8 / Math.sqrt(width), ...(window !== undefined && { window }) },
    `${note}, past ${past.join(",")}${rotated === undefined ? "" : `, ${rotated} of ${width}`}${window === undefined ? "" : `, window ${window}`}`,
  );
}

// Stale cache rows are left out of this bound: they are not among the terms of any output.
const ofCached: Magnitude<"cachedAttention"> = ([q, k, v, , , , cos], { scale }) => {
  const width = q!.shape[3]!;
  const logit = scale * width * largest(q!.data) * Math.max(4, largest(k!.data));
  const ofKeys = cos === undefined ? "exact" : 2 * largest(k!.data);
  return [Math.max(4, largest(v!.data)) * (1 + logit), ofKeys, "exact"];
};

const entropies: readonly (readonly [n: number, d: number, v: number, size: number])[] = [
  [1, 1, 2, 1],
  [1, 3, 1, 1],
  [5, 7, 33, 1],
  [64, 32, 1000, 1],
  [6, 16, 50, 30],
  [6, 16, 50, 300],
  [3, 8, 5, 0],
  [131, 64, 3001, 1],
];

function entropyCase([
  n,
  width,
  v,
  size,
]: (typeof entropies)[number]): OpCase<"linearCrossEntropy"> {
  const d = draw(n);
  const hidden = d.normal([n, width], size);
  return opCase([hidden, d.normal([v, width]), d.ints([n], v)], none, `of size ${size}`);
}

const ofEntropy: Magnitude<"linearCrossEntropy"> = ([hidden, weight], _, [, probs]) => {
  const logit = largestProduct(hidden!, weight!, 1);
  return [1 + logit, ofLogits(probs!, logit)];
};

function lossCase([n, , v, size]: (typeof entropies)[number]): OpCase<"crossEntropy"> {
  const d = draw(n);
  return opCase([d.normal([n, v], size), d.ints([n], v)], none, `of size ${size}`);
}

const ofLoss: Magnitude<"crossEntropy"> = ([logits], _, [, probs]) => {
  const logit = largest(logits!.data);
  return [1 + logit, ofLogits(probs!, logit)];
};

type Names =
  | "matmul"
  | "softmax"
  | "rmsNorm"
  | "layerNorm"
  | "rotary"
  | "attention"
  | "cachedAttention"
  | "crossEntropy"
  | "linearCrossEntropy"
  | "subtractOneHot";

/** Large enough that a backend divides the work among threads, unevenly. */
const largeProducts = flags.flatMap((transA) =>
  flags.map((transB): OpCase<"matmul"> => {
    const [m, k, n] = [131, 514, 257];
    const d = draw(1);
    const a = d.normal(transA ? [k, m] : [m, k]);
    const b = d.normal(transB ? [n, k] : [k, n]);
    return opCase([a, b], { transA, transB }, `transA ${transA} transB ${transB}`);
  }),
);

export const neuralCases: CasesOf<Names> = {
  matmul: { magnitude: sumOfTerms("matmul"), cases: [...matmulCases, ...largeProducts] },
  softmax: {
    magnitude: ([x], _, [y]) => [ofLogits(y!, largest(x!.data))],
    cases: [
      ...softmaxShapes.map((shape, i) => opCase<"softmax">([draw(i).normal(shape, 3)], none)),
      opCase<"softmax">([draw(6).normal([301, 3001])], none),
      opCase<"softmax">([draw(7).normal([9, 21], 1e4)], none, "of extreme logits"),
      opCase<"softmax">([withHoles(draw(8), draw(9).normal([9, 13]), 13)], none, "with -inf"),
    ],
  },
  rmsNorm: {
    magnitude: "result",
    cases: [
      ...rmsShapes.map((shape) => rmsCase(shape, 1, 1e-5)),
      rmsCase([3, 8], 1e-3, 1e-6),
      rmsCase([3, 8], 1e4, 1e-6),
      rmsCase([3, 8], 1e-8, 1e-20),
      rmsCase([3, 8], 0, 1e-20),
      rmsCase([257, 129], 1, 1e-6),
      rmsCase([301, 1026], 1, 1e-6),
    ],
  },
  layerNorm: {
    magnitude: ofLayerNorm,
    cases: [
      ...rmsShapes.map((shape) => layerNormCase(shape, 1, 1e-5)),
      layerNormCase([3, 8], 1e-3, 1e-6),
      layerNormCase([3, 8], 1e4, 1e-6),
      layerNormCase([3, 8], 0, 1e-20),
      layerNormCase([257, 129], 1, 1e-6),
      layerNormCase([301, 1026], 1, 1e-6),
    ],
  },
  rotary: {
    magnitude: ofRotation,
    cases: rotaryShapes.map(([shape, rotated], i) => {
      const d = draw(i);
      const angles = anglesOf(d, [shape[2]!, rotated / 2]);
      return opCase<"rotary">([d.normal(shape), ...angles], none);
    }),
  },
  attention: { magnitude: ofAttention, cases: attentions.map(attentionCase) },
  cachedAttention: { magnitude: ofCached, cases: cached.map(cachedCase) },
  crossEntropy: { magnitude: ofLoss, cases: entropies.map(lossCase) },
  linearCrossEntropy: { magnitude: ofEntropy, cases: entropies.map(entropyCase) },
  subtractOneHot: {
    magnitude: ([probs]) => [Float64Array.from(probs!.data, (p) => 1 + Math.abs(p))],
    cases: (
      [
        [1, 1],
        [1, 7],
        [5, 33],
        [64, 300],
      ] as const
    ).map(([n, v]) => {
      const d = draw(n);
      return opCase<"subtractOneHot">([d.uniform([n, v], 0, 1), d.ints([n], v)], none);
    }),
  },
};
