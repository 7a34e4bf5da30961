/**
 * Cases of the element-wise ops: broadcasting on either side, scalars, odd sizes, ties, infinities.
 */
import {
  type OpAttrs,
  type OpName,
  type Shape,
  type Value,
  valueOf,
} from "../../../src/tensor/index.ts";
import { type Draw, draw } from "../random.ts";
import {
  type Magnitude,
  opCase,
  type OpCase,
  type OpCases,
  type CasesOf,
  sumOfTerms,
} from "./op-case.ts";

const pairs: readonly (readonly [Shape, Shape])[] = [
  [[7], [7]],
  [[], []],
  [[1], [1, 1]],
  [[2, 3, 5], [5]],
  [[5], [2, 3, 5]],
  [
    [2, 3, 5],
    [3, 1],
  ],
  [
    [2, 1, 5],
    [1, 3, 1],
  ],
  [[], [3, 2]],
  [[4, 3], []],
  [
    [1, 1, 1],
    [2, 3],
  ],
  [
    [3, 1, 2, 1],
    [3, 4, 1, 5],
  ],
  [
    [33, 65],
    [33, 65],
  ],
  [[33, 129], [129]],
  [
    [301, 1003],
    [301, 1],
  ],
];
const shapes: readonly Shape[] = [[], [1], [7], [2, 3, 5], [1, 4, 1], [33, 65], [301, 1003]];

const none = {};
/** The ops without attributes. */
type Plain = { [K in OpName]: OpAttrs[K] extends Record<never, never> ? K : never }[OpName];
type Drawing = (d: Draw, shape: Shape) => Value;

const normal: Drawing = (d, shape) => d.normal(shape, 2);
const awayFromZero: Drawing = (d, shape) => d.signed(shape, 0.25, 4);
const positive: Drawing = (d, shape) => d.uniform(shape, 0.01, 9);

function f32(...numbers: number[]): Value {
  return valueOf(Float32Array.from(numbers), [numbers.length]);
}

function i32(...numbers: number[]): Value {
  return valueOf(Int32Array.from(numbers), [numbers.length]);
}

function bool(...numbers: number[]): Value {
  return valueOf(Uint8Array.from(numbers), [numbers.length]);
}

function binary<K extends Plain>(
  magnitude: Magnitude<K>,
  { a = normal, b = normal, special = [] }: { a?: Drawing; b?: Drawing; special?: Value[][] } = {},
): OpCases<K> {
  return {
    magnitude,
    cases: [
      ...pairs.map(([x, y], i): OpCase<K> => {
        const d = draw(i);
        return opCase([a(d, x), b(d, y)], none as OpAttrs[K]);
      }),
      ...special.map((inputs): OpCase<K> => opCase(inputs, none as OpAttrs[K], "special values")),
    ],
  };
}

function unary<K extends Plain>(
  magnitude: Magnitude<K>,
  { x = normal, special = [] }: { x?: Drawing; special?: number[] } = {},
): OpCases<K> {
  const cases = shapes.map((shape, i): OpCase<K> =>
    opCase([x(draw(i), shape)], none as OpAttrs[K]),
  );
  if (special.length > 0)
    cases.push(opCase([f32(...special)], none as OpAttrs[K], `of ${special.join(" ")}`));
  return { magnitude, cases };
}

/** f32 with many ties, so that equality and strictness are decided. */
const coarse: Drawing = (d, shape) => {
  const v = d.normal(shape, 2);
  return { ...v, data: Float32Array.from(v.data, Math.round) };
};
const smallInts: Drawing = (d, shape) => d.ints(shape, 4);

function comparison<K extends "less" | "equal">(): OpCases<K> {
  const ofInts = binary<K>("exact", { a: smallInts, b: smallInts });
  const ofFloats = binary<K>("exact", {
    a: coarse,
    b: coarse,
    special: [
      [f32(0, -0, Infinity, -Infinity, -1e-30, 16777217), f32(-0, 0, Infinity, 3, 1e-30, 16777216)],
      [i32(-2147483648, 16777217, -1, 0), i32(2147483647, 16777216, -1, -1)],
    ],
  });
  return { magnitude: "exact", cases: [...ofFloats.cases, ...ofInts.cases] };
}

const bools: Drawing = (d, shape) => d.bools(shape);
const ofSize: Magnitude<"sigmoid" | "silu" | "exp" | "log"> = ([x]) => [
  Float64Array.from(x!.data, (v) => Math.max(1, Math.abs(v))),
];

const whereShapes: readonly (readonly [Shape, Shape, Shape])[] = [
  [[7], [7], [7]],
  [[], [], []],
  [[2, 3, 5], [5], []],
  [[5], [2, 3, 5], [3, 1]],
  [[], [2, 3], [2, 3]],
  [[3, 1], [1, 4], [1]],
  [[33, 65], [], [33, 65]],
];

const castInputs: readonly { v: Value; to: OpAttrs["cast"]["to"] }[] = [
  { v: f32(0, -0, 0.5, -0.5, 1.99, -1.99, 7, -7, 100000.5, 16777216), to: "i32" },
  { v: f32(0, -0, 0.25, -3, 1e-30, Infinity), to: "bool" },
  { v: f32(1.5, -2.5), to: "f32" },
  { v: i32(0, 1, -1, 16777216, -2147483648), to: "f32" },
  { v: i32(0, 1, -1, 256), to: "bool" },
  { v: i32(4, -5), to: "i32" },
  { v: bool(0, 1, 1), to: "f32" },
  { v: bool(0, 1, 1), to: "i32" },
  { v: valueOf(Uint8Array.of(1), []), to: "f32" },
  { v: draw(1).ints([3, 5, 7], 9), to: "f32" },
  { v: draw(2).normal([33, 65], 50), to: "i32" },
];

const extremes = [0, -0, 1e-6, -1e-6, 5, -5, 20, -20, 90, -90, 300, -300];

type Names =
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "maximum"
  | "neg"
  | "abs"
  | "exp"
  | "log"
  | "sqrt"
  | "reciprocal"
  | "sigmoid"
  | "silu"
  | "erf"
  | "gelu"
  | "signedSqrt"
  | "less"
  | "equal"
  | "and"
  | "or"
  | "where"
  | "cast";

export const elementwiseCases: CasesOf<Names> = {
  add: binary<"add">(sumOfTerms("add"), {
    special: [[f32(Infinity, -Infinity, 1e30, 3e38), f32(1, -1, -1e30, 3e38)]],
  }),
  sub: binary<"sub">(sumOfTerms("add") as Magnitude<"sub">),
  mul: binary<"mul">("result", { special: [[f32(1e20, -1e20, 0, -0), f32(1e20, 1e20, 5, 5)]] }),
  div: binary<"div">("result", {
    b: awayFromZero,
    special: [[f32(1, -1, 0, 1e-20), f32(0, 0, 3, 1e-20)]],
  }),
  maximum: binary<"maximum">("exact", {
    a: coarse,
    b: coarse,
    special: [[f32(-Infinity, Infinity, 0, -1), f32(-5, 5, -0, -1)]],
  }),
  neg: unary<"neg">("exact", { special: [0, Infinity, -Infinity] }),
  abs: unary<"abs">("exact", { special: [0, -0, -Infinity, -1e-30] }),
  exp: unary<"exp">(([x], _, [y]) => [Float64Array.from(x!.data, (v, i) => Math.abs(v) * y![i]!)], {
    special: [0, -Infinity, -90, 80, 100],
  }),
  log: unary<"log">(ofSize as Magnitude<"log">, { x: positive, special: [0, 1, 1e-30, 1e30] }),
  sqrt: unary<"sqrt">("result", { x: positive, special: [0, 1, 1e-30, 1e30] }),
  reciprocal: unary<"reciprocal">("result", { x: awayFromZero, special: [0, 1e-30, -4] }),
  sigmoid: unary<"sigmoid">(() => [1], { special: extremes }),
  silu: unary<"silu">(ofSize as Magnitude<"silu">, { special: extremes }),
  erf: unary<"erf">(() => [1], { special: extremes }),
  gelu: {
    magnitude: ofSize as Magnitude<"gelu">,
    cases: (["none", "tanh"] as const).flatMap((approximate) => [
      ...shapes.map((shape, i) =>
        opCase<"gelu">([draw(i).normal(shape, 2)], { approximate }, approximate),
      ),
      opCase<"gelu">(
        [f32(...extremes)],
        { approximate },
        `${approximate}, of ${extremes.join(" ")}`,
      ),
    ]),
  },
  signedSqrt: {
    magnitude: "result",
    cases: [1e-6, 0.25].flatMap((least, i) => [
      opCase<"signedSqrt">([draw(i).normal([33, 65])], { least }),
      opCase<"signedSqrt">([draw(i).normal([])], { least }),
      opCase<"signedSqrt">(
        [f32(0, -0, 1e-6, -1e-6, 1e-7, -1e-7, 1e-30, -1e-40, 0.25, -0.25, 4, -9e12, 1e30)],
        { least },
        `at its edges, least ${least}`,
      ),
    ]),
  },
  less: comparison<"less">(),
  equal: comparison<"equal">(),
  and: binary<"and">("exact", { a: bools, b: bools }),
  or: binary<"or">("exact", { a: bools, b: bools }),
  where: {
    magnitude: "exact",
    cases: [
      ...whereShapes.map(([c, a, b], i) => {
        const d = draw(i);
        return opCase<"where">([d.bools(c), d.normal(a), d.normal(b)], none);
      }),
      opCase<"where">(
        [bool(1, 0, 1, 0), f32(1, NaN, -Infinity, Infinity), f32(NaN, 2, Infinity, -Infinity)],
        none,
        "with NaN on the side not taken",
      ),
    ],
  },
  cast: {
    magnitude: "exact",
    cases: castInputs.map(({ v, to }) => opCase<"cast">([v], { to }, `to ${to}`)),
  },
};
