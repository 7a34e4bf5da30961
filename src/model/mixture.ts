/**
 * Mixture weights: how much the model's output relies on the backbone and on each distribution of the memory. They are
 * computed from the final hidden state and from the memory's evidence. They sum to one, so the mixture is a
 * distribution, too. The distributions themselves never enter the graph.
 *
 * N positions, D model width, K distributions, E numbers of evidence for each position.
 */
import { evidenceWidth } from "../memory/index.ts";
import { type GraphBuilder, type Tensor, valueOf, type Values } from "../tensor/index.ts";
import type { ModelConfig } from "./config.ts";
import { gain, type KindParams } from "./kind.ts";
import type { KindWeights } from "./weights.ts";

type MixtureWeight = "hidden" | "evidence" | "bias";

/** The backbone comes first. All zero at the start, so all mixture weights begin equal. */
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

/** The same as values of a graph, of these numbers. */
export function mixtureValues(
  config: ModelConfig,
  numbers: Readonly<Record<MixtureWeight, Float32Array>>,
): Values {
  return Object.fromEntries(
    Object.entries(mixtureParams(config)).map(([of, { name, shape }]) => [
      name,
      valueOf(numbers[of as MixtureWeight], shape),
    ]),
  );
}

/** So far below the backbone's that a distribution's weight is exactly zero in float32: exp underflows. */
const CLOSED = -10_000;

/** Sets a mixture's weights so that the backbone's share is exactly one, whatever comes in. */
export function closeMixture(params: Values, config: ModelConfig): void {
  const { hidden, evidence, bias } = mixtureParams(config);
  for (const { name } of [hidden, evidence]) params[name]!.data.fill(0);
  params[bias.name]!.data.fill(CLOSED).fill(0, 0, 1);
}

/** Where a mixture is closed no gradient comes through: to be trained it starts with equal weights, as a new one. */
export function openMixture(params: Values, config: ModelConfig): void {
  const bias = params[mixtureParams(config).bias.name]!.data;
  if (bias.every((value, i) => value === (i === 0 ? 0 : CLOSED))) bias.fill(0);
}

/** Mixture weights [N, 1+K]; the backbone's is the first. */
export function mixtureWeights(
  g: GraphBuilder,
  weights: KindWeights<MixtureWeight>,
  { hidden_ND, evidence_NE }: { hidden_ND: Tensor; evidence_NE: Tensor },
): Tensor {
  const fromHidden = g.matmul(hidden_ND, weights.gain("hidden"), { transB: true });
  const fromEvidence = g.matmul(evidence_NE, weights.gain("evidence"), { transB: true });
  return g.softmax(g.add(g.add(fromHidden, fromEvidence), weights.gain("bias")));
}

/**
 * -log of the mixture's probability of the labels [N], from the backbone's -log p [N] and the distributions' p [N,K].
 */
export function mixtureLoss(
  g: GraphBuilder,
  { weights_NK, loss_N, chances_NK }: { weights_NK: Tensor; loss_N: Tensor; chances_NK: Tensor },
): Tensor {
  const [numPositions] = loss_N.shape as [number];
  const own_N1 = g.exp(g.mul(g.reshape(loss_N, [numPositions, 1]), -1));
  const terms = g.mul(weights_NK, g.concat([own_N1, chances_NK], 1));
  return g.mul(g.log(g.reshape(g.reduceSum(terms, [1]), [numPositions])), -1);
}
