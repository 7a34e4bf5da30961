/**
 * Estimates how much memory the intermediate values of one pass of the training graph take, before anything runs. For
 * memory plans. Knows sizes, not graphs.
 */
import type { ModelConfig } from "./config.ts";
import type { TrainedPart } from "./params.ts";

/**
 * Numbers of arrays that an engine holds at the same time, by their width. Attention scores are quadratic in the
 * length. Fitted to the resident memory of ONNX Runtime, presets tiny and small at two batch sizes each; the estimate
 * is 3 to 6 % above what was measured there.
 */
const hiddenArrays = 14;
const innerArrays = 4;
const scoreArrays = 3;
const logitArrays = 3;

/** Bytes for a pass over `batch` sequences of `length` tokens, without the retrieved memory and its gradient. */
export function activationBytes(
  config: ModelConfig,
  { batch, length }: { batch: number; length: number },
  part: TrainedPart = "all",
): number {
  const { hiddenSize, intermediateSize, numHeads, vocabSize } = config;
  const perLayer =
    hiddenArrays * hiddenSize + innerArrays * intermediateSize + scoreArrays * numHeads * length;
  return 4 * batch * length * (layersHeld(config, part) * perLayer + logitArrays * vocabSize);
}

/** Layers whose arrays are kept for the backward pass. Below the first trained layer they go when the next layer has run. */
function layersHeld({ numLayers, engram }: ModelConfig, part: TrainedPart): number {
  if (part === "all") return numLayers;
  const first = Math.min(numLayers, ...(engram?.layerIds ?? []));
  return Math.min(numLayers, numLayers - first + 1);
}
