/**
 * How much the memory's own distributions count in what the model says: weights over the backbone and each of them,
 * from the final hidden state and from the evidence that the memory gives. They sum to one, so what is said does, too.
 * The distributions themselves never enter the graph.
 *
 * N positions, D model width, K distributions, E numbers of evidence a position.
 */
import { evidenceWidth } from "../memory/index.ts";
import type { GraphBuilder, Tensor } from "../tensor/index.ts";
import type { ModelConfig } from "./config.ts";
import { gain, type KindParams } from "./kind.ts";
import type { KindWeights } from "./weights.ts";

type MixtureWeight = "hidden" | "evidence" | "bias";

/** The backbone first. All zero at the start: every weight is the same. */
export function mixtureParams({ hiddenSize, counted }: ModelConfig): KindParams<MixtureWeight> {
  const { order } = counted!;
  const of = (name: string, ...width: readonly number[]): ReturnType<typeof gain> =>
    gain(`memory_mixture.${name}`, [order, ...width], 0);
  return {
    hidden: of("hidden.weight", hiddenSize),
    evidence: of("evidence.weight", evidenceWidth(order)),
    bias: of("bias"),
  };
}

/** Weights [N, 1+K], the backbone's first. */
export function mixtureWeights(
  g: GraphBuilder,
  weights: KindWeights<MixtureWeight>,
  { hidden_ND, evidence_NE }: { hidden_ND: Tensor; evidence_NE: Tensor },
): Tensor {
  const fromHidden = g.matmul(hidden_ND, weights.gain("hidden"), { transB: true });
  const fromEvidence = g.matmul(evidence_NE, weights.gain("evidence"), { transB: true });
  return g.softmax(g.add(g.add(fromHidden, fromEvidence), weights.gain("bias")));
}

/** -log of the mixed chance of the labels [N], from the backbone's -log chance [N] and the distributions' chances [N,K]. */
export function mixtureLoss(
  g: GraphBuilder,
  { weights_NK, loss_N, chances_NK }: { weights_NK: Tensor; loss_N: Tensor; chances_NK: Tensor },
): Tensor {
  const [numPositions] = loss_N.shape as [number];
  const own_N1 = g.exp(g.mul(g.reshape(loss_N, [numPositions, 1]), -1));
  const terms = g.mul(weights_NK, g.concat([own_N1, chances_NK], 1));
  return g.mul(g.log(g.reshape(g.reduceSum(terms, [1]), [numPositions])), -1);
}
