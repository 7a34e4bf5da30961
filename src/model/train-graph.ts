/** The traced graph of a training step: the loss with its gradients. Apart from the others, since most models are only run. */
import { type Graph, type GraphBuilder, gradients, type Tensor } from "../tensor/index.ts";
import type { ModelConfig } from "./config.ts";
import { type BatchShape, io } from "./graphs.ts";
import type { ParamSpec } from "./kind.ts";
import { mixtureLoss } from "./mixture.ts";
import { packedForward } from "./packed-graphs.ts";
import { paramSpecs } from "./params.ts";

/** Mean gate of each sequence, [B] for each layer. */
function meanGates(g: GraphBuilder, gates: ReadonlyMap<number, Tensor>): Record<string, Tensor> {
  return Object.fromEntries(
    [...gates].map(([layer, gate]) => [
      io.gate(layer),
      g.reshape(g.reduceMean(gate, [1, 2]), [gate.shape[0]!]),
    ]),
  );
}

/**
 * Inputs: parameters, memory of each Engram layer, ids [B,T], labels [N], weights [N] (0 for a position without a
 * label; they sum to 1), segments [B,T], cos and sin [T,r/2] where positions are rotary. Outputs: loss [1] = sum of weights * -log p(label), in nats; its
 * gradient with respect to every parameter of `trained` (default: all) and every memory input; the mean gate of each
 * sequence, [B] for each layer. Nothing is computed that leads only to gradients of other parameters: where only the
 * mixture is trained, no layer has a backward pass.
 */
export function trainGraph(
  config: ModelConfig,
  shape: BatchShape,
  trained: readonly Pick<ParamSpec, "name">[] = paramSpecs(config),
): Graph {
  const { g, params, memory, loss_N, gates, mixture_NK } = packedForward(config, shape);
  const numPositions = shape.batch * shape.length;
  const weights_N = g.input(io.weights, "f32", [numPositions]);
  const mean = (loss: Tensor): Tensor => g.reduceSum(g.mul(loss, weights_N), [0]);
  const own = mean(loss_N);
  let loss = own;
  if (mixture_NK !== undefined) {
    const chances_NK = g.input(io.chances, "f32", [numPositions, config.counted!.order - 1]);
    loss = mean(mixtureLoss(g, { weights_NK: mixture_NK, loss_N, chances_NK }));
  }
  // Trained on the mixture alone, the backbone would not learn what the memory already knows, and become weak itself.
  const objective = mixture_NK === undefined ? loss : g.add(loss, own);
  const names = [...trained.map(({ name }) => name), ...[...memory.keys()].map(io.memory)];
  const wrt = [...trained.map(({ name }) => params.inputs.get(name)!), ...memory.values()];
  const outputs: Record<string, Tensor> = { [io.loss]: loss, ...meanGates(g, gates) };
  for (const [i, d] of gradients(g, objective, wrt).entries()) outputs[io.gradient(names[i]!)] = d;
  return g.build(outputs);
}
