/**
 * The graphs by which a vector of the residual stream is found for given texts (`teaching/`): what comes before it is
 * computed once and kept; what comes after it, forward and backward, as often as the search needs. Weights get no
 * gradient.
 *
 * A row is P columns of past, ending at the position before the vector's, and a window of W columns from there on. Texts
 * are placed so that all vectors stand in column P; columns before a text's first id belong to no document. Rotary
 * positions count columns: only distances matter to them.
 *
 * B rows, T = P + W, L the layer before which the vector is added, E edits, M predicted tokens, K leashes, D model width,
 * V vocabulary, h history of a short convolution.
 */
import { memoryWidth } from "../memory/index.ts";
import { type Graph, GraphBuilder, gradients, type Tensor } from "../tensor/index.ts";
import { type Attend, packedAttend } from "./attention.ts";
import type { ModelConfig } from "./config.ts";
import type { Shift } from "./engram.ts";
import { convHistory, declareRotation, io, packedPositions, packedShift } from "./graphs.ts";
import { transformer } from "./transformer.ts";
import { declareWeights, type WeightForm } from "./weights.ts";

/** Names of inputs and outputs besides those of `io`. */
export const vectorIo = {
  bias: "bias",
  vectors: "vectors",
  edits: "edits",
  mask: "mask",
  predictedAt: "predictedAt",
  leashedAt: "leashedAt",
  leashWeights: "leashWeights",
  kept: "kept",
  divergence: "divergence",
} as const;

export interface VectorShape {
  /** P, at least `convHistory`. */
  readonly past: number;
  /** W, at least 2. */
  readonly window: number;
  readonly batch: number;
  /** L */
  readonly layer: number;
}

function memoryLayers({ engram }: ModelConfig): readonly number[] {
  return engram?.layerIds ?? [];
}

/**
 * Inputs: parameters; ids [B,T]; segments [B,T]; cos and sin [T,r/2]; memory of each Engram layer [B*T,E]. Outputs: the
 * stream before L in the window, [B,W,D]; keys and values of the past [B,heads,P,d] of each layer from L on; conv
 * [B,h,D], the last inputs of the past to the convolutions there.
 */
export function pastGraph(
  config: ModelConfig,
  { past, window, batch, layer, ...form }: VectorShape & WeightForm,
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
  const below = transformer(g, config, params, {
    ids_BT,
    positions_BT: packedPositions(g, config, segments_BT),
    rotation,
    attend: packedAttend(g, config, segments_BT),
    memory,
    shift: () => packedShift(g, segments_BT),
    layers: { from: 0, to: layer },
  });
  const cut = (x: Tensor): Tensor => g.slice(x, 1, 0, past);
  const pastSegments_BP = cut(segments_BT);
  const packed = packedAttend(g, config, pastSegments_BP);
  const attend: Attend = (at, q, k, v) => {
    outputs[io.keys(at)] = k;
    outputs[io.values(at)] = v;
    return packed(at, q, k, v);
  };
  const shift = (at: number): Shift => {
    const packedBack = packedShift(g, pastSegments_BP);
    return (x_BPD, by) => {
      outputs[io.conv(at)] = g.slice(x_BPD, 1, past - convHistory(config), past);
      return packedBack(x_BPD, by);
    };
  };
  transformer(g, config, params, {
    ids_BT: cut(ids_BT),
    rotation: rotation && {
      cos: g.slice(rotation.cos, 0, 0, past),
      sin: g.slice(rotation.sin, 0, 0, past),
    },
    attend,
    memory: new Map([...memory].map(([id, all_NE]) => [id, pastOf(all_NE)])),
    shift,
    layers: { from: layer, to: config.numLayers },
    stream_BTD: cut(below.hidden_BTD),
  });
  function pastOf(all_NE: Tensor): Tensor {
    const width = all_NE.shape[1]!;
    return g.reshape(cut(g.reshape(all_NE, [batch, length, width])), [batch * past, width]);
  }
  outputs[io.stream(layer)] = g.slice(below.hidden_BTD, 1, past, length);
  return g.build(outputs, { inputs: "needed" });
}

/**
 * Inputs: parameters of the layers from L on; what `pastGraph` gives, under its names; bias [B,1,W,T], zero where
 * attention sees a column and -Infinity elsewhere; cos and sin [W,r/2]; memory of the window [B*W,E] of each Engram layer
 * from L on; vectors [E,D]; edits [B], which of them a row has; mask [B,W,1], one where it is added; predictedAt [M],
 * positions of the window's [B*W], with labels [M] and weights [M]; leashedAt [K], kept [K,V], the chances that are to stay
 * as they are there, and leashWeights [K].
 * Outputs: loss [M] = -log p(label); probs [K,V]; divergence [K] of kept from probs, in nats; and the gradient [E,D] of
 * the vectors, of the weighted sum of losses and divergences.
 */
export function vectorGraph(
  config: ModelConfig,
  {
    past,
    window,
    batch,
    layer,
    edits,
    predicted,
    leashed,
    rowBlock,
  }: VectorShape &
    Pick<WeightForm, "rowBlock"> & {
      edits: number;
      predicted: number;
      leashed: number;
    },
): Graph {
  const { hiddenSize, numLayers, numHeads, numKvHeads, headDim, vocabSize } = config;
  const g = new GraphBuilder();
  const params = declareWeights(g, config, { rowBlock });
  const stream_BWD = g.input(io.stream(layer), "f32", [batch, window, hiddenSize]);
  const bias_B1WT = g.input(vectorIo.bias, "f32", [batch, 1, window, past + window]);
  const vectors_ED = g.input(vectorIo.vectors, "f32", [edits, hiddenSize]);
  const ofRow_B = g.input(vectorIo.edits, "i32", [batch]);
  const mask_BW1 = g.input(vectorIo.mask, "f32", [batch, window, 1]);
  const group = numHeads / numKvHeads;
  const bias_B1MT = g.concat(Array<Tensor>(group).fill(bias_B1WT), 2);
  const attend: Attend = (at, q_BHWd, k_BKWd, v_BKWd) => {
    const cache = [batch, numKvHeads, past, headDim];
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
  const row_B1D = g.reshape(g.gatherRows(vectors_ED, ofRow_B), [batch, 1, hiddenSize]);
  const { hidden_BTD } = transformer(g, config, params, {
    ids_BT: g.input(io.ids, "i32", [batch, window]),
    rotation: declareRotation(g, config, window),
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
  const weights_M = g.input(io.weights, "f32", [predicted]);
  const [loss_M] = params.headLoss(g.gatherRows(hidden_ND, predictedAt_M), labels_M);
  let objective = g.reduceSum(g.mul(loss_M, weights_M), [0]);
  const outputs: Record<string, Tensor> = { [io.loss]: loss_M };
  if (leashed > 0) {
    const leashedAt_K = g.input(vectorIo.leashedAt, "i32", [leashed]);
    const kept_KV = g.input(vectorIo.kept, "f32", [leashed, vocabSize]);
    const leash_K1 = g.input(vectorIo.leashWeights, "f32", [leashed, 1]);
    const probs_KV = g.softmax(params.head(g.gatherRows(hidden_ND, leashedAt_K)));
    // A floor: with the logarithm of zero, 0 * log 0 would be NaN.
    const log = (x: Tensor): Tensor => g.log(g.maximum(x, 1e-30));
    const divergence_K1 = g.reduceSum(g.mul(kept_KV, g.sub(log(kept_KV), log(probs_KV))), [1]);
    objective = g.add(
      objective,
      g.reduceSum(g.reshape(g.mul(divergence_K1, leash_K1), [leashed]), [0]),
    );
    outputs[io.probs] = probs_KV;
    outputs[vectorIo.divergence] = g.reshape(divergence_K1, [leashed]);
  }
  const [gradient] = gradients(g, objective, [vectors_ED]);
  outputs[io.gradient(vectorIo.vectors)] = gradient!;
  return g.build(outputs, { inputs: "needed" });
}
