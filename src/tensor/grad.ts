/**
 * Reverse-mode differentiation: one rule for each op, and the walk that applies them. The result is more nodes in the
 * same builder. So a backend runs a training step as one graph and does not know which nodes are derivatives. Every
 * rule is checked against finite differences in grad.test.ts.
 *
 * A rule may add nodes that are never used (for example, the gradient of a mask): `GraphBuilder.build` drops them.
 */
import { InvariantError } from "../errors.ts";
import type { GraphBuilder, Node, Tensor } from "./graph.ts";
import { formatType, type OpName, sameShape, type Shape, sizeOf } from "./ops.ts";

/**
 * `cotangents` has one entry for each output of the node, undefined where nothing depends on that output. The result
 * has one entry for each input of the node; undefined means that this input cannot be differentiated.
 */
type Rule<K extends OpName> = (
  g: GraphBuilder,
  node: Node<K>,
  cotangents: readonly (Tensor | undefined)[],
) => readonly (Tensor | undefined)[];

/** Undoes broadcasting: sums `t` down to `shape`. */
function sumTo(g: GraphBuilder, t: Tensor, shape: Shape): Tensor {
  if (sameShape(t.shape, shape)) return t;
  const extra = t.shape.length - shape.length;
  const axes = t.shape.flatMap((d, i) =>
    i < extra || (shape[i - extra] === 1 && d !== 1) ? [i] : [],
  );
  const summed = axes.length > 0 ? g.reduceSum(t, axes) : t;
  return sameShape(summed.shape, shape) ? summed : g.reshape(summed, shape);
}

function binary(
  rule: (g: GraphBuilder, a: Tensor, b: Tensor, dy: Tensor, y: Tensor) => [Tensor, Tensor],
): (g: GraphBuilder, node: Node, cotangents: readonly (Tensor | undefined)[]) => Tensor[] {
  return (g, { inputs, outputs }, [dy]) => {
    const [a, b] = inputs as [Tensor, Tensor];
    const [da, db] = rule(g, a, b, dy!, outputs[0]!);
    return [sumTo(g, da, a.shape), sumTo(g, db, b.shape)];
  };
}

function unary(
  rule: (g: GraphBuilder, x: Tensor, y: Tensor, dy: Tensor) => Tensor,
): (g: GraphBuilder, node: Node, cotangents: readonly (Tensor | undefined)[]) => [Tensor] {
  return (g, { inputs, outputs }, [dy]) => [rule(g, inputs[0]!, outputs[0]!, dy!)];
}

const notDifferentiable = (_g: GraphBuilder, node: Node): undefined[] =>
  node.inputs.map(() => undefined);

/** The derivative of gelu: Phi + x Phi'. With "tanh", Phi is a sigmoid of 2u, u a cubic of x. */
function geluSlope(g: GraphBuilder, x: Tensor, approximate: "none" | "tanh"): Tensor {
  if (approximate === "none") {
    const phi = g.mul(g.add(g.erf(g.mul(x, Math.SQRT1_2)), 1), 0.5);
    const density = g.mul(g.exp(g.mul(g.mul(x, x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
    return g.add(phi, g.mul(x, density));
  }
  const scale = 2 * Math.sqrt(2 / Math.PI);
  const square = g.mul(x, x);
  const phi = g.sigmoid(g.mul(x, g.add(g.mul(square, scale * 0.044715), scale)));
  const bend = g.mul(x, g.add(g.mul(square, 3 * scale * 0.044715), scale));
  return g.mul(phi, g.add(g.mul(bend, g.sub(1, phi)), 1));
}

/** x [...,D] as [N,D]. */
function asRows(g: GraphBuilder, x: Tensor): Tensor {
  const width = x.shape.at(-1)!;
  return g.reshape(x, [sizeOf(x.shape) / width, width]);
}

export const gradientRules: { readonly [K in OpName]: Rule<K> } = {
  add: binary((_g, _a, _b, dy) => [dy, dy]),
  sub: binary((g, _a, _b, dy) => [dy, g.neg(dy)]),
  mul: binary((g, a, b, dy) => [g.mul(dy, b), g.mul(dy, a)]),
  div: binary((g, _a, b, dy, y) => {
    const da = g.div(dy, b);
    return [da, g.neg(g.mul(da, y))];
  }),
  maximum: binary((g, a, b, dy) => {
    const bWins = g.less(a, b);
    return [g.where(bWins, 0, dy), g.where(bWins, dy, 0)];
  }),
  neg: unary((g, _x, _y, dy) => g.neg(dy)),
  abs: unary((g, x, _y, dy) => g.where(g.less(x, 0), g.neg(dy), dy)),
  exp: unary((g, _x, y, dy) => g.mul(dy, y)),
  log: unary((g, x, _y, dy) => g.div(dy, x)),
  sqrt: unary((g, _x, y, dy) => g.div(g.mul(dy, 0.5), y)),
  reciprocal: unary((g, _x, y, dy) => g.neg(g.mul(dy, g.mul(y, y)))),
  sigmoid: unary((g, _x, y, dy) => g.mul(dy, g.mul(y, g.sub(1, y)))),
  // d silu = s + y (1 - s) = y + s (1 - y), where s is the sigmoid of x.
  silu: unary((g, x, y, dy) => g.mul(dy, g.add(y, g.mul(g.sigmoid(x), g.sub(1, y))))),
  erf: unary((g, x, _y, dy) => g.mul(dy, g.mul(g.exp(g.neg(g.mul(x, x))), 2 / Math.sqrt(Math.PI)))),
  gelu: (g, { attrs, inputs }, [dy]) => [g.mul(dy!, geluSlope(g, inputs[0]!, attrs.approximate))],
  signedSqrt: (g, { attrs, inputs, outputs }, [dy]) => {
    const x = inputs[0]!;
    const slope = g.div(g.mul(dy!, 0.5), g.abs(outputs[0]!));
    return [g.where(g.less(g.scalar(attrs.least), g.abs(x)), slope, 0)];
  },
  less: notDifferentiable,
  equal: notDifferentiable,
  and: notDifferentiable,
  or: notDifferentiable,
  where: (g, { inputs }, [dy]) => {
    const [condition, a, b] = inputs as [Tensor, Tensor, Tensor];
    return [
      undefined,
      sumTo(g, g.where(condition, dy!, 0), a.shape),
      sumTo(g, g.where(condition, 0, dy!), b.shape),
    ];
  },
  cast: notDifferentiable,
  reshape: (g, { inputs }, [dy]) => [g.reshape(dy!, inputs[0]!.shape)],
  transpose: (g, { attrs }, [dy]) => {
    const inverse = attrs.perm.map((_, axis) => attrs.perm.indexOf(axis));
    return [g.transpose(dy!, inverse)];
  },
  slice: (g, { attrs, inputs }, [dy]) => {
    const { axis, start, end } = attrs;
    return [g.pad(dy!, axis, start, inputs[0]!.shape[axis]! - end)];
  },
  pad: (g, { attrs, inputs }, [dy]) => {
    const { axis, before } = attrs;
    return [g.slice(dy!, axis, before, before + inputs[0]!.shape[axis]!)];
  },
  concat: (g, { attrs, inputs }, [dy]) => {
    let start = 0;
    return inputs.map((t) => {
      const end = start + t.shape[attrs.axis]!;
      const part = g.slice(dy!, attrs.axis, start, end);
      start = end;
      return part;
    });
  },
  split: (g, { attrs, outputs }, cotangents) => {
    const zeros = (t: Tensor): Tensor => g.constant(new Float32Array(sizeOf(t.shape)), t.shape);
    return [
      g.concat(
        outputs.map((t, i) => cotangents[i] ?? zeros(t)),
        attrs.axis,
      ),
    ];
  },
  broadcastTo: (g, { inputs }, [dy]) => [sumTo(g, dy!, inputs[0]!.shape)],
  reduceSum: (g, { inputs }, [dy]) => [g.broadcastTo(dy!, inputs[0]!.shape)],
  reduceMean: (g, { inputs, outputs }, [dy]) => {
    const shape = inputs[0]!.shape;
    const count = sizeOf(shape) / sizeOf(outputs[0]!.shape);
    return [g.broadcastTo(g.mul(dy!, 1 / count), shape)];
  },
  // With A' and B' the operands after their transpose flags: dA' = dY B'^T and dB' = A'^T dY. For a transposed operand
  // the gradient is the transpose of that, which is the same product with its sides swapped.
  matmul: (g, { attrs, inputs }, [dy]) => {
    const [a, b] = inputs as [Tensor, Tensor];
    const { transA, transB } = attrs;
    return [
      transA
        ? g.matmul(b, dy!, { transA: transB, transB: true })
        : g.matmul(dy!, b, { transB: !transB }),
      transB
        ? g.matmul(dy!, a, { transA: true, transB: transA })
        : g.matmul(a, dy!, { transA: !transA }),
    ];
  },
  gatherRows: (g, { inputs }, [dy]) => {
    const [table, ids] = inputs as [Tensor, Tensor];
    return [g.scatterAddRows(ids, dy!, table.shape[0]!), undefined];
  },
  scatterAddRows: (g, { inputs }, [dy]) => [undefined, g.gatherRows(dy!, inputs[0]!)],
  softmax: unary((g, _x, y, dy) => {
    const last = y.shape.length - 1;
    return g.mul(y, g.sub(dy, g.reduceSum(g.mul(dy, y), [last])));
  }),
  // y = x r w. With c = <dy w, x>: dx = r (dy w) - x (r^3 c / D), dw = sum over rows of r x dy. Both sums are written
  // as products with a vector, which read their operand once and include the multiplication.
  rmsNorm: (g, { inputs, outputs }, [dy, dr]) => {
    const [x, gain] = inputs as [Tensor, Tensor];
    const width = gain.shape[0]!;
    const x_ND = asRows(g, x);
    const dy_ND = dy && asRows(g, dy);
    const r_N1 = g.reshape(outputs[1]!, [x_ND.shape[0]!, 1]);
    const r3_N1 = g.mul(g.mul(r_N1, r_N1), r_N1);
    let pull_N1: Tensor | undefined;
    let direct_ND: Tensor | undefined;
    let dGain: Tensor | undefined;
    if (dy_ND !== undefined) {
      const xdy_ND = g.mul(x_ND, dy_ND);
      dGain = g.reshape(g.matmul(r_N1, xdy_ND, { transA: true }), [width]);
      pull_N1 = g.matmul(xdy_ND, g.reshape(gain, [width, 1]));
      direct_ND = g.mul(g.mul(dy_ND, gain), r_N1);
    }
    if (dr !== undefined) {
      const dr_N1 = g.reshape(dr, r_N1.shape);
      pull_N1 = pull_N1 === undefined ? dr_N1 : g.add(pull_N1, dr_N1);
    }
    const curve_ND = g.mul(x_ND, g.mul(g.mul(r3_N1, pull_N1!), 1 / width));
    const dx_ND = direct_ND === undefined ? g.neg(curve_ND) : g.sub(direct_ND, curve_ND);
    return [g.reshape(dx_ND, x.shape), dGain ?? g.constant(new Float32Array(width), [width])];
  },
  // With n = (x - mean) r and c = dy gain: dx = r (c - mean(c) - n mean(c n)), dgain = sum of dy n, dbias = sum of dy.
  layerNorm: (g, { inputs, outputs }, [dy, dMean, dr]) => {
    const [x, gain, bias] = inputs as [Tensor, Tensor, Tensor];
    const [, mean, r] = outputs as [Tensor, Tensor, Tensor];
    const width = gain.shape[0]!;
    const last = [x.shape.length - 1];
    const n = g.mul(g.sub(x, mean), r);
    const zeros = g.constant(new Float32Array(width), [width]);
    let [dx, dGain, dBias]: [Tensor | undefined, Tensor, Tensor] = [undefined, zeros, zeros];
    if (dy !== undefined) {
      const c = g.mul(dy, gain);
      const pull = g.add(g.reduceMean(c, last), g.mul(n, g.reduceMean(g.mul(c, n), last)));
      dx = g.mul(r, g.sub(c, pull));
      [dGain, dBias] = [sumTo(g, g.mul(dy, n), gain.shape), sumTo(g, dy, bias.shape)];
    }
    const others = [
      dMean && g.broadcastTo(g.mul(dMean, 1 / width), x.shape),
      dr && g.mul(n, g.mul(g.mul(dr, g.mul(r, r)), -1 / width)),
    ];
    for (const other of others)
      if (other !== undefined) dx = dx === undefined ? other : g.add(dx, other);
    return [dx, dGain, dBias];
  },
  // The inverse of a rotation is the rotation by the opposite angle.
  rotary: (g, { inputs }, [dy]) => {
    const [, cos, sin] = inputs as [Tensor, Tensor, Tensor];
    return [g.rotary(dy!, cos, g.neg(sin)), undefined, undefined];
  },
  // dS = P (dP - rowsum(dP P)). With dP = dO V^T the row sum equals rowsum(dO O), which sums over d values instead of N
  // (arXiv 2205.14135, appendix B.2). This does not hold if `probs` itself has a cotangent.
  attention: (g, { attrs, inputs, outputs }, [dOut, dProbs]) => {
    const [q, k, v, bias] = inputs as [Tensor, Tensor, Tensor, Tensor];
    const [out, probs] = outputs as [Tensor, Tensor];
    let dP = dOut && g.matmul(dOut, v, { transB: true });
    if (dProbs !== undefined) dP = dP === undefined ? dProbs : g.add(dP, dProbs);
    const rowSum =
      dProbs === undefined
        ? g.reduceSum(g.mul(dOut!, out), [3])
        : g.reduceSum(g.mul(dP!, probs), [3]);
    const dScores = g.mul(probs, g.sub(dP!, rowSum));
    const zeros = (): Tensor => g.constant(new Float32Array(sizeOf(v.shape)), v.shape);
    return [
      g.mul(g.matmul(dScores, k), attrs.scale),
      g.mul(g.matmul(dScores, q, { transA: true }), attrs.scale),
      dOut === undefined ? zeros() : g.matmul(probs, dOut, { transA: true }),
      sumTo(g, dScores, bias.shape),
    ];
  },
  cachedAttention: notDifferentiable,
  matmulQuantized: notDifferentiable,
  gatherRowsQuantized: notDifferentiable,
  crossEntropy: (g, { inputs, outputs }, [dLoss, dProbs]) => {
    if (dProbs !== undefined) return notDifferentiable(g, { inputs } as Node);
    const [logits, labels] = inputs as [Tensor, Tensor];
    const factor_N1 = g.reshape(dLoss!, [logits.shape[0]!, 1]);
    return [g.mul(g.subtractOneHot(outputs[1]!, labels), factor_N1), undefined];
  },
  // dLogits = (probs - onehot) dLoss. The factor of each row is applied on the narrow side of both products, so that it
  // is never multiplied into the [N,V] matrix.
  linearCrossEntropy: (g, { inputs, outputs }, [dLoss, dProbs]) => {
    if (dProbs !== undefined) return notDifferentiable(g, { inputs } as Node);
    const [hidden, weight, labels] = inputs as [Tensor, Tensor, Tensor];
    const dLogits = g.subtractOneHot(outputs[1]!, labels);
    const factor_N1 = g.reshape(dLoss!, [hidden.shape[0]!, 1]);
    return [
      g.mul(g.matmul(dLogits, weight), factor_N1),
      g.matmul(dLogits, g.mul(hidden, factor_N1), { transA: true }),
      undefined,
    ];
  },
  subtractOneHot: (_g, _node, [dy]) => [dy, undefined],
};

/**
 * Gradients of the sum of `output`'s elements with respect to each tensor of `wrt`, in the same order and with the
 * same shapes. A tensor on which `output` does not depend gets zeros. Throws `InvariantError` if the only path runs
 * through an op, or an operand of an op, that has no derivative.
 */
export function gradients(g: GraphBuilder, output: Tensor, wrt: readonly Tensor[]): Tensor[] {
  const nodes = [...g.nodes];
  const depends = new Set<Tensor>(wrt);
  for (const node of nodes)
    if (node.inputs.some((t) => depends.has(t))) for (const t of node.outputs) depends.add(t);

  const cotangents = new Map<Tensor, Tensor>();
  const ones = new Float32Array(sizeOf(output.shape)).fill(1);
  cotangents.set(output, g.constant(ones, output.shape));
  for (const node of nodes.toReversed()) {
    if (!node.inputs.some((t) => depends.has(t) && t.dtype === "f32")) continue;
    const incoming = node.outputs.map((t) => cotangents.get(t));
    if (incoming.every((t) => t === undefined)) continue;
    const rule = gradientRules[node.op] as Rule<OpName>;
    const outgoing = rule(g, node, incoming);
    for (const [i, input] of node.inputs.entries()) {
      if (!depends.has(input) || input.dtype !== "f32") continue;
      const d = outgoing[i];
      if (d === undefined)
        throw new InvariantError(
          `${node.op} has no derivative with respect to operand ${i} ${formatType(input)}`,
        );
      const sum = cotangents.get(input);
      cotangents.set(input, sum === undefined ? d : g.add(sum, d));
    }
  }
  return wrt.map(
    (t) => cotangents.get(t) ?? g.constant(new Float32Array(sizeOf(t.shape)), t.shape),
  );
}
