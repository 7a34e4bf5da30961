/**
 * Element-wise kernels: one formula for each op, broadcast by index maps. Knows nothing of graphs. The table of these
 * kernels is in evaluate.ts.
 */
import type { OpAttrs } from "../../ops.ts";
import { broadcastMap, type Kernel } from "./cells.ts";

type Plain = Kernel<Record<never, never>>;

function unary(f: (x: number) => number): Plain {
  return ([x], [y]) => {
    for (let i = 0; i < y!.data.length; i++) y!.data[i] = f(x!.data[i]!);
  };
}

function binary(f: (a: number, b: number) => number): Plain {
  return ([a, b], [y]) => {
    const ia = broadcastMap(a!.shape, y!.shape);
    const ib = broadcastMap(b!.shape, y!.shape);
    for (let i = 0; i < y!.data.length; i++) y!.data[i] = f(a!.data[ia[i]!]!, b!.data[ib[i]!]!);
  };
}

const logistic = (x: number): number => 1 / (1 + Math.exp(-x));

export const add: Plain = binary((a, b) => a + b);
export const sub: Plain = binary((a, b) => a - b);
export const mul: Plain = binary((a, b) => a * b);
export const div: Plain = binary((a, b) => a / b);
export const maximum: Plain = binary(Math.max);
export const neg: Plain = unary((x) => -x);
export const abs: Plain = unary(Math.abs);
export const exp: Plain = unary(Math.exp);
export const log: Plain = unary(Math.log);
export const sqrt: Plain = unary(Math.sqrt);
export const reciprocal: Plain = unary((x) => 1 / x);
export const sigmoid: Plain = unary(logistic);
export const silu: Plain = unary((x) => x * logistic(x));

/** By Kummer's series, whose terms are all of one sign: exact to a few roundings. */
function erfOf(x: number): number {
  const square = x * x;
  if (square > 36) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) sum += term *= square / (n + 0.5);
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-square) * sum;
}

export const erf: Plain = unary(erfOf);

const geluKernels: Readonly<Record<OpAttrs["gelu"]["approximate"], Plain>> = {
  none: unary((x) => 0.5 * x * (1 + erfOf(x * Math.SQRT1_2))),
  tanh: unary((x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))),
};

export const gelu: Kernel<OpAttrs["gelu"]> = (inputs, outputs, { approximate }) =>
  geluKernels[approximate](inputs, outputs, {});

export const signedSqrt: Kernel<OpAttrs["signedSqrt"]> = ([x], [y], { least }) => {
  for (let i = 0; i < y!.data.length; i++) {
    const value = x!.data[i]!;
    const root = Math.sqrt(Math.max(Math.abs(value), least));
    y!.data[i] = value < 0 || Object.is(value, -0) ? -root : root;
  }
};

export const less: Plain = binary((a, b) => (a < b ? 1 : 0));
export const equal: Plain = binary((a, b) => (a === b ? 1 : 0));
export const and: Plain = binary((a, b) => a & b);
export const or: Plain = binary((a, b) => a | b);

export const where: Plain = ([condition, a, b], [y]) => {
  const ic = broadcastMap(condition!.shape, y!.shape);
  const ia = broadcastMap(a!.shape, y!.shape);
  const ib = broadcastMap(b!.shape, y!.shape);
  for (let i = 0; i < y!.data.length; i++)
    y!.data[i] = condition!.data[ic[i]!] ? a!.data[ia[i]!]! : b!.data[ib[i]!]!;
};

/** To i32 truncates towards zero; to bool is "not zero"; from bool is 0 or 1. */
export const cast: Kernel<OpAttrs["cast"]> = ([x], [y], { to }) => {
  for (let i = 0; i < y!.data.length; i++) {
    const value = x!.data[i]!;
    if (to === "f32") y!.data[i] = value;
    else if (to === "i32") y!.data[i] = Math.trunc(value);
    else y!.data[i] = value === 0 ? 0 : 1;
  }
};
