/**
 * What every backend must do, as one suite for node:test: each op against the reference evaluator,
 * then whole graphs, memory and lifetimes. A backend's own test file calls `backendConformance`.
 * Knows no particular backend.
 */
import { after, before, describe, test } from "node:test";

import {
  type Backend,
  GraphBuilder,
  type OpName,
  runOnce,
  type Tensor,
  type Value,
} from "../../src/tensor/index.ts";
import { type Numbers, type OpCase, type OpCases, evaluateOp } from "./cases/op-case.ts";
import { cacheBehaviour } from "./backend-cache.ts";
import { graphBehaviour } from "./backend-graphs.ts";
import { inPlaceBehaviour } from "./backend-in-place.ts";
import { lifetimeBehaviour } from "./backend-lifetimes.ts";
import { memoryBehaviour } from "./backend-memory.ts";
import { propertyBehaviour } from "./backend-property.ts";
import { toBeClose } from "./close.ts";
import { opCases } from "./op-cases.ts";

export interface ConformanceOptions {
  /** Compare every op with the reference: off only for the reference itself. */
  readonly ops?: boolean;
  /** Allowed error of a sum, as a part of the size of its terms: some tens of f32 roundings. */
  readonly rtol?: number;
  /** How many cases of each op, where each is slow. Default: all. */
  readonly casesOfOp?: number;
  /** How many random graphs: fewer where the same kernels pass them elsewhere. Default 150. */
  readonly randomGraphs?: number;
}

/** How a part of the suite gets at the backend, which exists only once tests run. */
export type UseBackend = () => Backend;

/** Registers the suite. `makeBackend` is called once; its backend is disposed at the end. */
export function backendConformance(
  name: string,
  makeBackend: () => Promise<Backend>,
  { ops = true, rtol = 3e-6, casesOfOp = Infinity, randomGraphs = 150 }: ConformanceOptions = {},
): void {
  describe(`backend conformance: ${name}`, () => {
    let backend: Backend | undefined;
    before(async () => {
      backend = await makeBackend();
    });
    after(async () => {
      await backend?.dispose();
    });
    const use: UseBackend = () => backend!;
    if (ops) {
      for (const op of Object.keys(opCases) as OpName[])
        opBehaviour(op, { use, rtol, most: casesOfOp });
      graphBehaviour(use, rtol);
    }
    cacheBehaviour(use, rtol);
    propertyBehaviour(use, rtol, randomGraphs);
    memoryBehaviour(use);
    inPlaceBehaviour(use);
    lifetimeBehaviour(use, makeBackend);
  });
}

function opBehaviour<K extends OpName>(
  op: K,
  { use, rtol, most }: { use: UseBackend; rtol: number; most: number },
): void {
  const { magnitude, cases }: OpCases<K> = opCases[op];
  test(`${op} agrees with the reference`, async (t) => {
    for (const c of cases.slice(0, most)) {
      const expected = evaluateOp(op, c.inputs, c.attrs);
      const sizes =
        typeof magnitude === "string"
          ? expected.map(() => magnitude)
          : magnitude(c.inputs, c.attrs, expected);
      const check = (actual: readonly Value[]): void =>
        expected.forEach((e, i) =>
          compare(actual[i]!.data, e, { size: sizes[i]!, rtol, output: i }),
        );
      await t.test(c.title, async () => check(await runOp(use(), op, c)));
      if (c.inputs.length > 1 && op !== "cachedAttention")
        await t.test(`${c.title}, all but the first constant`, async () =>
          check(await runOp(use(), op, { ...c, constantsFrom: 1 })),
        );
    }
  });
}

function compare(
  actual: Numbers,
  expected: Numbers,
  {
    size,
    rtol,
    output,
  }: { size: Numbers | number | "exact" | "result"; rtol: number; output: number },
): void {
  const label = `output ${output}`;
  // What double precision holds may overflow single precision: round as the output is.
  const rounded = Float64Array.from(expected, Math.fround);
  if (size === "exact") return toBeClose(actual, expected, { label });
  // Below 1e-37 single precision is denormal, which backends may flush to zero.
  const magnitude = size === "result" ? 0 : size;
  toBeClose(actual, rounded, { label, rtol, atol: 1e-37, magnitude });
}

async function runOp<K extends OpName>(
  backend: Backend,
  op: K,
  c: OpCase<K> & { constantsFrom?: number },
): Promise<Value[]> {
  const { inputs, attrs, constantsFrom = inputs.length } = c;
  const g = new GraphBuilder();
  const values: Record<string, Value> = {};
  const operands = inputs.map((v, i): Tensor => {
    if (i >= constantsFrom) return g.constant(v.data, v.shape, v);
    values[`in${i}`] = v;
    return g.input(`in${i}`, v.dtype, v.shape);
  });
  const outputs = g.op(op, operands, attrs);
  const graph = g.build(Object.fromEntries(outputs.map((t, i) => [`out${i}`, t])));
  const originals = Object.entries(values).map(([name, v]) => [name, v.data.slice()] as const);
  const results = await runOnce(backend, graph, values);
  for (const [name, data] of originals)
    toBeClose(values[name]!.data, data, { label: `input ${name}, which is only read` });
  return outputs.map((_, i) => results[`out${i}`]!);
}
