/**
 * What a case of one op is: operands, attributes, and how large the terms were whose sum each output
 * element is. Rounding errors are proportional to those, not to the sum.
 */
import {
  evaluateGraph,
  GraphBuilder,
  type OpAttrs,
  type OpName,
  type Value,
} from "../../../src/tensor/index.ts";

export type Numbers = ArrayLike<number>;

export interface OpCase<K extends OpName> {
  readonly title: string;
  readonly inputs: readonly Value[];
  readonly attrs: OpAttrs[K];
}

/** "exact": the output is one of the inputs, or an integer. "result": a few roundings of the result.
 *  Otherwise one for each output: an array, one number for all elements, or "exact". */
export type Magnitude<K extends OpName> =
  | "exact"
  | "result"
  | ((
      inputs: readonly Value[],
      attrs: OpAttrs[K],
      expected: readonly Numbers[],
    ) => readonly (Numbers | number | "exact")[]);

export interface OpCases<K extends OpName> {
  readonly magnitude: Magnitude<K>;
  readonly cases: readonly OpCase<K>[];
}

/** Complete for the ops it names. */
export type CasesOf<K extends OpName> = { readonly [P in K]: OpCases<P> };

export function shapesOf(inputs: readonly Value[]): string {
  return inputs.map((v) => `${v.dtype}[${v.shape.join(",")}]`).join(" ");
}

/** A case titled by its shapes, and by `note` where shapes do not tell. */
export function opCase<K extends OpName>(
  inputs: readonly Value[],
  attrs: OpAttrs[K],
  note = "",
): OpCase<K> {
  return { title: `${shapesOf(inputs)} ${note}`.trimEnd(), inputs, attrs };
}

export function absolute(v: Value): Value {
  return v.dtype === "f32" ? { ...v, data: Float32Array.from(v.data, Math.abs) } : v;
}

/** Outputs of one op by the reference, in double precision. */
export function evaluateOp<K extends OpName>(
  op: K,
  inputs: readonly Value[],
  attrs: OpAttrs[K],
): Numbers[] {
  const g = new GraphBuilder();
  const operands = inputs.map((v, i) => g.input(`in${i}`, v.dtype, v.shape));
  const outputs = g.op(op, operands, attrs);
  const graph = g.build(Object.fromEntries(outputs.map((t, i) => [`out${i}`, t])));
  const values = Object.fromEntries(inputs.map((v, i) => [`in${i}`, v.data]));
  const results = evaluateGraph(graph, values);
  return outputs.map((_, i) => results[`out${i}`]!);
}

/** For ops that are sums of products: the same sum over absolute values. */
export function sumOfTerms<K extends OpName>(op: K): Magnitude<K> {
  return (inputs, attrs) => evaluateOp(op, inputs.map(absolute), attrs);
}

export function largest(x: Numbers): number {
  let max = 0;
  for (let i = 0; i < x.length; i++)
    if (Number.isFinite(x[i]!)) max = Math.max(max, Math.abs(x[i]!));
  return max;
}
