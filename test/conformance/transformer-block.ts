/**
 * A small but complete piece of a language model, for suites that need a graph as training has it.
 * Not the model of this library: only ops, wired in the usual way.
 */
import { GraphBuilder, type Tensor, type Value } from "../../src/tensor/index.ts";
import { draw } from "./random.ts";

export interface TransformerBlock {
  readonly g: GraphBuilder;
  readonly inputs: Record<string, Value>;
  /** The graph inputs to differentiate by, in order of use. */
  readonly params: ReadonlyMap<string, Tensor>;
  /** [1] */
  readonly loss: Tensor;
}

/** One pre-norm block with rotary attention and a gated MLP, embedding and head included. */
export function transformerBlock(): TransformerBlock {
  const [b, t, width, heads, vocabulary] = [2, 9, 24, 3, 31];
  const perHead = width / heads;
  const d = draw(5);
  const g = new GraphBuilder();
  const inputs: Record<string, Value> = {};
  const params = new Map<string, Tensor>();
  const take = (name: string, value: Value): Tensor => {
    inputs[name] = value;
    return g.input(name, value.dtype, value.shape);
  };
  const param = (name: string, ...shape: number[]): Tensor => {
    const declared = take(name, d.normal(shape, shape.length === 1 ? 1 : 0.3));
    params.set(name, declared);
    return declared;
  };

  const ids = take("ids", d.ints([b, t], vocabulary));
  const labels = take("labels", d.ints([b * t], vocabulary));
  const angles = d.uniform([t, perHead / 2], 0, 6).data;
  const cos = g.constant(Float32Array.from(angles, Math.cos), [t, perHead / 2]);
  const sin = g.constant(Float32Array.from(angles, Math.sin), [t, perHead / 2]);
  const mask = Float32Array.from({ length: b * t * t }, (_, i) =>
    i % t <= Math.floor(i / t) % t ? 0 : -Infinity,
  );
  const bias = g.constant(mask, [b, 1, t, t]);

  const table = param("table", vocabulary, width);
  const linear = (x: Tensor, name: string, outputs: number): Tensor =>
    g.matmul(x, param(name, outputs, x.shape[1]!), { transB: true });
  const norm = (x: Tensor, name: string): Tensor =>
    g.op("rmsNorm", [x, param(name, width)], { eps: 1e-6 })[0]!;
  const split = (x: Tensor): Tensor =>
    g.transpose(g.reshape(x, [b, t, heads, perHead]), [0, 2, 1, 3]);

  let hidden = g.reshape(g.gatherRows(table, ids), [b * t, width]);
  const normed = norm(hidden, "norm1");
  const q = g.rotary(split(linear(normed, "wq", width)), cos, sin);
  const k = g.rotary(split(linear(normed, "wk", width)), cos, sin);
  const v = split(linear(normed, "wv", width));
  const [mixed] = g.op("attention", [q, k, v, bias], { scale: 1 / Math.sqrt(perHead) });
  const joined = g.reshape(g.transpose(mixed!, [0, 2, 1, 3]), [b * t, width]);
  hidden = g.add(hidden, linear(joined, "wo", width));
  const normed2 = norm(hidden, "norm2");
  const gated = g.mul(g.silu(linear(normed2, "gate", 40)), linear(normed2, "up", 40));
  hidden = g.add(hidden, linear(gated, "down", width));
  const [losses] = g.op("linearCrossEntropy", [norm(hidden, "norm3"), table, labels], {});
  const loss = g.reduceMean(losses!, [0]);
  return { g, inputs, params, loss };
}
