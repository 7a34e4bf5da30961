/**
 * The traced graphs of texts that are packed into rows: evaluation, and what training has in common with it. The graphs of
 * decoding are in `graphs.ts`, with the names of inputs and outputs.
 *
 * B batch, T tokens, N = B*T, D model width, V vocabulary, K distributions of the memory.
 */
import { type Graph, GraphBuilder, type Tensor } from "../tensor/index.ts";
import { blockOf, type ModelConfig } from "./config.ts";
import type { Shift } from "./engram.ts";
import {
  declareControls,
  declareMemory,
  declareMixture,
  declareRotation,
  type EvalShape,
  io,
} from "./graphs.ts";
import { packedAttend } from "./packed-attention.ts";
import { transformer } from "./transformer.ts";
import { declareWeights, type ModelWeights } from "./weights.ts";

/** Position [B,T] of each token within its document, where positions are learned: how many before it are of its number. */
export function packedPositions(
  g: GraphBuilder,
  config: ModelConfig,
  segments_BT: Tensor,
): Tensor | undefined {
  if (blockOf(config).positions !== "learned") return undefined;
  const [batch, length] = segments_BT.shape as [number, number];
  const isSame_BTT = g.equal(
    g.reshape(segments_BT, [batch, length, 1]),
    g.reshape(segments_BT, [batch, 1, length]),
  );
  const isBefore_TT = g.constant(
    Uint8Array.from({ length: length * length }, (_, i) =>
      Number(i % length < Math.floor(i / length)),
    ),
    [1, length, length],
  );
  const counts_BT1 = g.reduceSum(g.cast(g.and(isSame_BTT, isBefore_TT), "f32"), [2]);
  return g.cast(g.reshape(counts_BT1, [batch, length]), "i32");
}

/** x at position t - by within each row, or zero where that is before the start of the row or of the document. */
export function packedShift(g: GraphBuilder, segments_BT: Tensor): Shift {
  const [batch, length] = segments_BT.shape as [number, number];
  const back = (x: Tensor, by: number): Tensor =>
    by >= length ? g.mul(x, 0) : g.pad(g.slice(x, 1, 0, length - by), 1, by, 0);
  // Documents are numbered from 1, so the zeros that `pad` shifts in belong to no document.
  const segments_BT1 = g.reshape(g.cast(segments_BT, "f32"), [batch, length, 1]);
  return (x_BTC, by) => {
    if (by === 0) return x_BTC;
    const sameDocument = g.equal(segments_BT1, back(segments_BT1, by));
    return g.where(sameDocument, back(x_BTC, by), 0);
  };
}

export interface PackedForward {
  readonly g: GraphBuilder;
  readonly params: ModelWeights;
  readonly memory: Map<number, Tensor>;
  readonly loss_N: Tensor;
  readonly hidden_ND: Tensor;
  readonly probs_NV: Tensor;
  readonly gates: ReadonlyMap<number, Tensor>;
  readonly mixture_NK: Tensor | undefined;
}

/** Documents packed into rows: what evaluation and training have in common. */
export function packedForward(config: ModelConfig, shape: EvalShape): PackedForward {
  const { batch, length } = shape;
  const g = new GraphBuilder();
  const params = declareWeights(g, config, shape);
  const memory = declareMemory(g, config, shape);
  const ids_BT = g.input(io.ids, "i32", [batch, length]);
  const labels_N = g.input(io.labels, "i32", [batch * length]);
  const segments_BT = g.input(io.segments, "i32", [batch, length]);
  const rotation = declareRotation(g, config, length);
  const shift = packedShift(g, segments_BT);
  const { hidden_BTD, gates } = transformer(g, config, params, {
    ids_BT,
    positions_BT: packedPositions(g, config, segments_BT),
    rotation,
    attend: packedAttend(g, config, segments_BT),
    memory,
    shift: () => shift,
    ...declareControls(g, config, { memory, shape }),
  });
  const hidden_ND = g.reshape(hidden_BTD, [batch * length, config.hiddenSize]);
  const [loss_N, probs_NV] = params.headLoss(hidden_ND, labels_N);
  const mixture_NK = declareMixture(g, config, { params, hidden_ND });
  return { g, params, memory, loss_N, hidden_ND, probs_NV, gates, mixture_NK };
}

/**
 * As `trainGraph`, without weights and gradients, and with the requested inputs of `MemoryInputs`. Outputs have one
 * value for each position: loss [N], gates [B,T,1], and, if asked for, the probabilities [N,V] of the next token and the
 * hidden states [N,D].
 */
export function evalGraph(config: ModelConfig, shape: EvalShape): Graph {
  const { g, loss_N, hidden_ND, probs_NV, gates, mixture_NK } = packedForward(config, shape);
  const perPosition = [...gates].map(([layer, gate]) => [io.gate(layer), gate] as const);
  return g.build({
    [io.loss]: loss_N,
    ...(shape.probs === true && { [io.probs]: probs_NV }),
    ...(shape.hidden === true && { [io.hidden]: hidden_ND }),
    ...(mixture_NK !== undefined && { [io.mixture]: mixture_NK }),
    ...Object.fromEntries(perPosition),
  });
}

/** A floor for probabilities: with the logarithm of zero, 0 * log 0 would be NaN. */
const LEAST_CHANCE = 1e-37;

/** Inputs: probabilities p and q [N,V]. Output: divergence [N], the sum of p (log p - log q) over V, in nats. */
export function divergenceGraph(numPositions: number, vocabSize: number): Graph {
  const g = new GraphBuilder();
  const [p, q] = ["p", "q"].map((name) => g.input(name, "f32", [numPositions, vocabSize]));
  const log = (x: Tensor): Tensor => g.log(g.maximum(x, LEAST_CHANCE));
  const terms = g.mul(p!, g.sub(log(p!), log(q!)));
  return g.build({ divergence: g.reshape(g.reduceSum(terms, [1]), [numPositions]) });
}
