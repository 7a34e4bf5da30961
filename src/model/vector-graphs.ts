/**
 * The graphs by which a vector of the residual stream is found for given texts (`teaching/`): what does not depend on it is
 * computed once and kept; what does, forward and backward, as often as the search needs. Weights get no gradient.
 *
 * A row is P columns of past, ending at the position before the vector's, and a window of W columns from there on. Texts
 * are placed so that all vectors stand in column P; columns before a text's first id belong to no document. Rotary
 * positions count columns: only distances matter to them. A step computes some places of the window anew: all of them,
 * or those that are asked about, which then see the others as they were without the vector.
 *
 * B rows, C = P + W columns, S places, L the layer before which the vector is added, M predicted tokens, K
 * leashes, D model width, V vocabulary, h history of a short convolution.
 */
import { memoryWidth } from "../memory/index.ts";
import { type Graph, GraphBuilder, gradients, type Tensor } from "../tensor/index.ts";
import type { Attend } from "./attention.ts";
import type { ModelConfig } from "./config.ts";
import type { Shift } from "./engram.ts";
import { convHistory, declareRotation, io } from "./graphs.ts";
import { packedAttend } from "./packed-attention.ts";
import { packedPositions, packedShift } from "./packed-graphs.ts";
import { transformer } from "./transformer.ts";
import { declareWeights, type WeightForm } from "./weights.ts";

/** Names of inputs and outputs besides those of `io`. */
export const vectorIo = {
  bias: "bias",
  vectors: "vectors",
  mask: "mask",
  predictedAt: "predictedAt",
  leashedAt: "leashedAt",
  kept: "kept",
  divergence: "divergence",
} as const;

export interface PastShape {
  /** P, at least `convHistory`. */
  readonly past: number;
  /** W */
  readonly window: number;
  readonly batch: number;
  /** L */
  readonly layer: number;
}

export interface VectorShape {
  /** C */
  readonly columns: number;
  /** S, at least 2. With a convolution: the whole window, in its order. */
  readonly places: number;
  readonly batch: number;
  /** L */
  readonly layer: number;
}

function memoryLayers({ engram }: ModelConfig): readonly number[] {
  return engram?.layerIds ?? [];
}

/**
 * Inputs: parameters; ids [B,C]; segments [B,C]; cos and sin [C,r/2]; memory of each Engram layer [B*C,E]. Outputs: the
 * stream before L in the window, [B,W,D]; keys and values [B,heads,C,d] of each layer from L on; conv [B,h,D], the last
 * inputs of the past to the convolutions there.
 */
export function pastGraph(
  config: ModelConfig,
  { past, window, batch, layer, ...form }: PastShape & WeightForm,
): Graph {
  const length = past + window;
  const g = new GraphBuilder();
  const params = declareWeights(g, config, form);
  const ids_BT = g.input(io.ids, "i32", [batch, length]);
  const segments_BT = g.input(io.segments, "i32", [batch, length]);
  const rotation = declareRotation(g, config, length);
  const memory = new Map(
    memoryLayers(config).map((id) => [
      id,
      g.input(io.memory(id), "f32", [batch * length, memoryWidth(config.engram!)]),
    ]),
  );
  const outputs: Record<string, Tensor> = {};
  const packed = packedAttend(g, config, segments_BT);
  const packedBack = packedShift(g, segments_BT);
  const all = {
    ids_BT,
    positions_BT: packedPositions(g, config, segments_BT),
    rotation,
    memory,
    shift: (at: number): Shift => {
      return (x_BTD, by) => {
        if (at >= layer) outputs[io.conv(at)] = g.slice(x_BTD, 1, past - convHistory(config), past);
        return packedBack(x_BTD, by);
      };
    },
    attend: ((at, q, k, v) => {
      if (at >= layer) {
        outputs[io.keys(at)] = k;
        outputs[io.values(at)] = v;
      }
      return packed(at, q, k, v);
    }) satisfies Attend,
  };
  const { hidden_BTD: stream_BTD } = transformer(g, config, params, {
    ...all,
    layers: { from: 0, to: layer },
  });
  const above = { from: layer, to: config.numLayers };
  transformer(g, config, params, { ...all, layers: above, stream_BTD });
  outputs[io.stream(layer)] = g.slice(stream_BTD, 1, past, length);
  return g.build(outputs, { inputs: "needed" });
}

/**
 * Inputs: parameters of the layers from L on; what `pastGraph` gives, under its names, but of the stream the places [B,S,D];
 * bias [B,1,S,C+S], zero where attention sees a column, or a place computed anew, and -Infinity elsewhere; cos and sin
 * [B*S,r/2]; memory of the places [B*S,E] of each Engram layer from L on; vectors [B,D]; mask [B,S,1], one where a
 * row's is added; predictedAt [M], of the places [B*S], with labels [M]; leashedAt [K] and kept
 * [K,V], the chances that are to stay as they are there.
 * Outputs: loss [M] = -log p(label); probs [K,V]; divergence [K] of kept from probs, in nats; and the gradient [B,D] of the
 * vectors, for each row that of its own losses, or of its divergence.
 */
export function vectorGraph(
  config: ModelConfig,
  {
    columns,
    places: window,
    batch,
    layer,
    predicted,
    leashed,
    rowBlock,
  }: VectorShape &
    Pick<WeightForm, "rowBlock"> & {
      predicted: number;
      leashed: number;
    },
): Graph {
  const { hiddenSize, numLayers, numHeads, numKvHeads, headDim, vocabSize } = config;
  const g = new GraphBuilder();
  const params = declareWeights(g, config, { rowBlock });
  const stream_BWD = g.input(io.stream(layer), "f32", [batch, window, hiddenSize]);
  const bias_B1WT = g.input(vectorIo.bias, "f32", [batch, 1, window, columns + window]);
  const vectors_BD = g.input(vectorIo.vectors, "f32", [batch, hiddenSize]);
  const mask_BW1 = g.input(vectorIo.mask, "f32", [batch, window, 1]);
  const group = numHeads / numKvHeads;
  const bias_B1MT = g.concat(Array<Tensor>(group).fill(bias_B1WT), 2);
  const attend: Attend = (at, q_BHWd, k_BKWd, v_BKWd) => {
    const cache = [batch, numKvHeads, columns, headDim];
    const keys = g.concat([g.input(io.keys(at), "f32", cache), k_BKWd], 2);
    const values = g.concat([g.input(io.values(at), "f32", cache), v_BKWd], 2);
    const q_BKMd = g.reshape(q_BHWd, [batch, numKvHeads, group * window, headDim]);
    const out = g.attention(q_BKMd, keys, values, bias_B1MT, 1 / Math.sqrt(headDim));
    return g.reshape(out, q_BHWd.shape);
  };
  const history = convHistory(config);
  const shift = (at: number): Shift => {
    const before_BhD = g.input(io.conv(at), "f32", [batch, history, hiddenSize]);
    return (x_BWD, by) =>
      g.slice(g.concat([before_BhD, x_BWD], 1), 1, history - by, history - by + window);
  };
  const row_B1D = g.reshape(vectors_BD, [batch, 1, hiddenSize]);
  const { hidden_BTD } = transformer(g, config, params, {
    ids_BT: g.input(io.ids, "i32", [batch, window]),
    rotation: declareRotation(g, config, batch * window),
    attend,
    memory: new Map(
      memoryLayers(config)
        .filter((id) => id >= layer)
        .map((id) => [
          id,
          g.input(io.memory(id), "f32", [batch * window, memoryWidth(config.engram!)]),
        ]),
    ),
    shift,
    layers: { from: layer, to: numLayers },
    stream_BTD: stream_BWD,
    overlays: new Map([[layer, g.mul(row_B1D, mask_BW1)]]),
  });
  const hidden_ND = g.reshape(hidden_BTD, [batch * window, hiddenSize]);
  const labels_M = g.input(io.labels, "i32", [predicted]);
  const predictedAt_M = g.input(vectorIo.predictedAt, "i32", [predicted]);
  const [loss_M] = params.headLoss(g.gatherRows(hidden_ND, predictedAt_M), labels_M);
  let objective = g.reduceSum(loss_M, [0]);
  const outputs: Record<string, Tensor> = { [io.loss]: loss_M };
  if (leashed > 0) {
    const leashedAt_K = g.input(vectorIo.leashedAt, "i32", [leashed]);
    const kept_KV = g.input(vectorIo.kept, "f32", [leashed, vocabSize]);
    const probs_KV = g.softmax(params.head(g.gatherRows(hidden_ND, leashedAt_K)));
    // A floor: with the logarithm of zero, 0 * log 0 would be NaN.
    const log = (x: Tensor): Tensor => g.log(g.maximum(x, 1e-30));
    const divergence_K1 = g.reduceSum(g.mul(kept_KV, g.sub(log(kept_KV), log(probs_KV))), [1]);
    const divergence_K = g.reshape(divergence_K1, [leashed]);
    objective = g.add(objective, g.reduceSum(divergence_K, [0]));
    outputs[io.probs] = probs_KV;
    outputs[vectorIo.divergence] = divergence_K;
  }
  const [gradient] = gradients(g, objective, [vectors_BD]);
  outputs[io.gradient(vectorIo.vectors)] = gradient!;
  return g.build(outputs, { inputs: "needed" });
}
