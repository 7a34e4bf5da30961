/**
 * Every gradient rule against finite differences. The graph and its gradient are both evaluated by
 * the reference, whose ops have goldens of their own.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { toBeClose } from "../../test/conformance/close.ts";
import {
  aQuarterMore,
  checkGradients,
  differentiable,
  gradientsOf,
  weigh,
} from "../../test/conformance/finite-differences.ts";
import { type Draw, draw } from "../../test/conformance/random.ts";
import { InvariantError } from "../errors.ts";
import {
  GraphBuilder,
  type OpAttrs,
  type OpName,
  type Shape,
  type Tensor,
  type Value,
  valueOf,
} from "./index.ts";

interface GradCase<K extends OpName> {
  readonly inputs: readonly Value[];
  readonly attrs: OpAttrs[K];
  /** Operands that are f32 but have no derivative. */
  readonly fixed?: readonly number[];
}

type Plain = { [K in OpName]: OpAttrs[K] extends Record<never, never> ? K : never }[OpName];
type Drawing = (d: Draw, shape: Shape) => Value;

const none = {};
const normal: Drawing = (d, shape) => d.normal(shape);
const awayFromZero: Drawing = (d, shape) => d.signed(shape, 0.5, 2);
const halves: Drawing = (d, shape) => d.halves(shape, 1.5);
const quarters: Drawing = (d, shape) => aQuarterMore(halves(d, shape));
const positive: Drawing = (d, shape) => d.uniform(shape, 0.5, 3);

function unary<K extends Plain>(x: Drawing): GradCase<K>[] {
  const shapes: Shape[] = [[], [5], [2, 1, 3]];
  return shapes.map((s, i) => ({ inputs: [x(draw(i), s)], attrs: none as OpAttrs[K] }));
}

const pairs: readonly (readonly [Shape, Shape])[] = [
  [[], []],
  [[4], [4]],
  [[2, 3, 4], [4]],
  [[3], [2, 3]],
  [[], [2, 3]],
  [[2, 2], []],
  [
    [2, 1, 3],
    [1, 4, 1],
  ],
  [
    [3, 1],
    [2, 1, 4],
  ],
  [
    [1, 1],
    [1, 3],
  ],
];

function binary<K extends Plain>(a: Drawing, b: Drawing): GradCase<K>[] {
  return pairs.map(([x, y], i) => {
    const d = draw(i);
    return { inputs: [a(d, x), b(d, y)], attrs: none as OpAttrs[K] };
  });
}

function reduction<K extends "reduceSum" | "reduceMean">(): GradCase<K>[] {
  const cases: [Shape, number[]][] = [
    [[5], [0]],
    [[2, 3, 4], [1]],
    [
      [2, 3, 4],
      [2, 0],
    ],
    [
      [2, 3],
      [0, 1],
    ],
    [[1, 3], [0]],
  ];
  return cases.map(([shape, axes], i) => ({ inputs: [draw(i).normal(shape)], attrs: { axes } }));
}

const flags = [false, true];
const products = [[], [3], [2, 1]].flatMap((batch) =>
  flags.flatMap((transA) =>
    flags.map((transB): GradCase<"matmul"> => {
      const d = draw(1);
      return {
        inputs: [
          d.normal([...batch, ...(transA ? [4, 2] : [2, 4])]),
          d.normal([...batch, ...(transB ? [3, 4] : [4, 3])]),
        ],
        attrs: { transA, transB },
      };
    }),
  ),
);

const ids = (shape: Shape, ...numbers: number[]): Value => valueOf(Int32Array.from(numbers), shape);

function attentionCase(m: number, n: number, mask: number[]): GradCase<"attention"> {
  const d = draw(m + n);
  const bias = d.normal([2, 1, m, n]);
  for (const i of mask) bias.data[i] = -Infinity;
  return {
    inputs: [d.normal([2, 2, m, 3]), d.normal([2, 2, n, 3]), d.normal([2, 2, n, 3]), bias],
    attrs: { scale: 0.6 },
  };
}

const rules: { readonly [K in OpName]: readonly GradCase<K>[] | "no derivative" } = {
  add: binary(normal, normal),
  sub: binary(normal, normal),
  mul: binary(normal, normal),
  div: binary(normal, awayFromZero),
  maximum: binary(halves, quarters),
  neg: unary(normal),
  abs: unary(awayFromZero),
  exp: unary(normal),
  log: unary(positive),
  sqrt: unary(positive),
  reciprocal: unary(awayFromZero),
  sigmoid: unary(normal),
  silu: unary(normal),
  erf: unary(normal),
  gelu: (["none", "tanh"] as const).flatMap((approximate) => [
    { inputs: [draw(1).normal([], 2)], attrs: { approximate } },
    { inputs: [draw(2).normal([2, 3, 4], 2)], attrs: { approximate } },
  ]),
  signedSqrt: [
    { inputs: [awayFromZero(draw(1), [2, 3, 4])], attrs: { least: 1e-6 } },
    { inputs: [valueOf(Float32Array.of(0.1, -0.2, 0.9, -3), [4])], attrs: { least: 0.25 } },
  ],
  less: "no derivative",
  equal: "no derivative",
  and: "no derivative",
  or: "no derivative",
  where: (
    [
      [[4], [4], [4]],
      [[2, 3, 4], [4], []],
      [[4], [3, 1], [2, 3, 4]],
      [[], [2], [2, 1]],
    ] as const
  ).map(([c, a, b], i) => {
    const d = draw(i);
    return { inputs: [d.bools(c), d.normal(a), d.normal(b)], attrs: none };
  }),
  cast: "no derivative",
  reshape: [
    { inputs: [draw(1).normal([2, 3, 2])], attrs: { shape: [4, 3] } },
    { inputs: [draw(1).normal([1])], attrs: { shape: [] } },
  ],
  transpose: [
    { inputs: [draw(1).normal([2, 3])], attrs: { perm: [1, 0] } },
    { inputs: [draw(1).normal([2, 3, 4])], attrs: { perm: [2, 0, 1] } },
    { inputs: [draw(1).normal([2, 1, 3, 2])], attrs: { perm: [0, 2, 1, 3] } },
  ],
  slice: [
    { inputs: [draw(1).normal([5])], attrs: { axis: 0, start: 0, end: 2 } },
    { inputs: [draw(1).normal([2, 5, 2])], attrs: { axis: 1, start: 1, end: 4 } },
    { inputs: [draw(1).normal([2, 3])], attrs: { axis: 1, start: 2, end: 3 } },
  ],
  pad: [
    { inputs: [draw(1).normal([3])], attrs: { axis: 0, before: 2, after: 1 } },
    { inputs: [draw(1).normal([2, 3, 2])], attrs: { axis: 1, before: 0, after: 2 } },
  ],
  concat: [
    { inputs: [draw(1).normal([3]), draw(2).normal([2])], attrs: { axis: 0 } },
    {
      inputs: [draw(1).normal([2, 1, 2]), draw(2).normal([2, 3, 2]), draw(3).normal([2, 2, 2])],
      attrs: { axis: 1 },
    },
  ],
  split: [
    { inputs: [draw(1).normal([6])], attrs: { axis: 0, parts: 2 } },
    { inputs: [draw(1).normal([2, 6, 2])], attrs: { axis: 1, parts: 3 } },
    { inputs: [draw(1).normal([2, 4])], attrs: { axis: 1, parts: 1 } },
  ],
  broadcastTo: [
    { inputs: [draw(1).normal([])], attrs: { shape: [2, 3] } },
    { inputs: [draw(1).normal([3, 1])], attrs: { shape: [2, 3, 4] } },
    { inputs: [draw(1).normal([1, 1, 4])], attrs: { shape: [2, 1, 4] } },
  ],
  reduceSum: reduction(),
  reduceMean: reduction(),
  matmul: products,
  gatherRows: [
    { inputs: [draw(1).normal([5, 3]), ids([2, 3], 0, 4, 4, 1, 0, 4)], attrs: none },
    { inputs: [draw(1).normal([5, 2]), ids([], 3)], attrs: none },
  ],
  scatterAddRows: [
    { inputs: [ids([2, 2], 3, 0, 3, 3), draw(1).normal([2, 2, 3])], attrs: { numRows: 5 } },
    { inputs: [ids([], 1), draw(1).normal([3])], attrs: { numRows: 2 } },
  ],
  softmax: unary((d, shape) => d.normal(shape.length === 0 ? [1] : shape)),
  rmsNorm: (
    [
      [[4], 1e-2],
      [[2, 3, 4], 1e-5],
      [[3, 1], 0.5],
    ] as const
  ).map(([shape, eps], i) => {
    const d = draw(i);
    return { inputs: [d.signed(shape, 0.5, 2), d.normal(shape.slice(-1))], attrs: { eps } };
  }),
  layerNorm: (
    [
      [[4], 1e-2],
      [[2, 3, 4], 1e-5],
      [[3, 2], 0.5],
    ] as const
  ).map(([shape, eps], i) => {
    const d = draw(i);
    const width = shape.slice(-1);
    return { inputs: [d.normal(shape), d.normal(width), d.normal(width)], attrs: { eps } };
  }),
  rotary: [
    {
      inputs: [draw(4).normal([2, 2, 3, 7]), draw(5).normal([3, 2]), draw(6).normal([3, 2])],
      attrs: none,
      fixed: [1, 2],
    },
    {
      inputs: [draw(1).normal([2, 2, 3, 4]), draw(2).normal([3, 2]), draw(3).normal([3, 2])],
      attrs: none,
      fixed: [1, 2],
    },
  ],
  attention: [
    attentionCase(3, 3, []),
    attentionCase(2, 4, [1, 2, 3, 8, 12]),
    attentionCase(1, 1, []),
  ],
  cachedAttention: "no derivative",
  matmulQuantized: "no derivative",
  gatherRowsQuantized: "no derivative",
  crossEntropy: [
    { inputs: [draw(1).normal([4, 5]), ids([4], 4, 0, 2, 2)], attrs: none },
    { inputs: [draw(1).normal([1, 3], 5), ids([1], 1)], attrs: none },
  ],
  linearCrossEntropy: [
    {
      inputs: [draw(1).normal([4, 3]), draw(2).normal([5, 3]), ids([4], 4, 0, 2, 2)],
      attrs: none,
    },
    { inputs: [draw(1).normal([1, 2], 5), draw(2).normal([3, 2], 5), ids([1], 1)], attrs: none },
  ],
  subtractOneHot: [{ inputs: [draw(1).normal([3, 4]), ids([3], 0, 3, 3)], attrs: none }],
};

function checkRule<K extends OpName>(op: K): void {
  const cases: readonly GradCase<K>[] | "no derivative" = rules[op];
  if (cases === "no derivative") return;
  test(`${op} has the right gradient`, () => {
    for (const { inputs, attrs, fixed = [] } of cases) {
      // Each output alone, then all; what is derived from `probs` of a loss has no rule.
      const numOutputs =
        op === "linearCrossEntropy" || op === "crossEntropy"
          ? 1
          : new GraphBuilder().op(op, declare(inputs), attrs).length;
      const choices = Array.from({ length: numOutputs }, (_, i) => [i]);
      if (numOutputs > 1) choices.push(choices.flat());
      for (const choice of choices)
        checkGradients(
          differentiable(
            inputs,
            (g, ...operands) => {
              const outputs = g.op(op, operands, attrs);
              return weigh(
                g,
                choice.map((i) => outputs[i]!),
              );
            },
            fixed,
          ),
        );
    }
  });
}

function declare(values: readonly Value[]): Tensor[] {
  const g = new GraphBuilder();
  return values.map((v, i) => g.input(`${i}`, v.dtype, v.shape));
}

describe("gradient rules", () => {
  for (const op of Object.keys(rules) as OpName[]) checkRule(op);

  test("the gradient of a loss that runs through inference attention is refused", () => {
    const d = draw(1);
    const values = [
      [1, 1, 1, 2],
      [1, 1, 1, 2],
      [1, 1, 1, 2],
      [1, 1, 4, 2],
      [1, 1, 4, 2],
    ].map((s) => d.normal(s));
    const through = differentiable([...values, ids([1], 2)], (g, ...operands) =>
      weigh(g, g.op("cachedAttention", operands, { scale: 1 })),
    );
    assert.throws(() => gradientsOf(through), InvariantError);
  });

  test("a derivative by rotary angles, or of the probabilities of a loss, is refused", () => {
    const d = draw(1);
    const angles = differentiable(
      [d.normal([1, 1, 2, 2]), d.normal([2, 1]), d.normal([2, 1])],
      (g, x, cos, sin) => g.rotary(x!, cos!, sin!),
    );
    assert.throws(() => gradientsOf(angles), InvariantError);
    const probs = differentiable(
      [d.normal([2, 3]), d.normal([4, 3]), ids([2], 1, 3)],
      (g, ...operands) => g.op("linearCrossEntropy", operands, {})[1]!,
    );
    assert.throws(() => gradientsOf(probs), InvariantError);
  });

  test("comparisons and whole numbers pass no gradient on", () => {
    const found = gradientsOf(
      differentiable([draw(1).normal([5], 3), draw(2).normal([5], 3)], (g, a, b) => {
        const mask = g.or(g.and(g.less(a!, b!), g.less(b!, 1)), g.equal(a!, b!));
        return g.add(g.cast(mask, "f32"), g.mul(g.cast(g.cast(a!, "i32"), "f32"), b!));
      }),
    );
    assert.deepEqual([...found["a"]!], [0, 0, 0, 0, 0]);
    toBeClose(found["b"]!, Array.from(draw(1).normal([5], 3).data, Math.trunc));
  });
});
