/**
 * Estimates how much memory the intermediate values of one pass take, of the training graph or the scoring graph, before
 * anything runs. For memory plans. Knows sizes, not graphs.
 */
import type { ModelConfig } from "./config.ts";
import type { TrainedPart } from "./param-layout.ts";

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
  const numbers = layersHeld(config, part) * perLayer(config, length);
  return 4 * batch * length * (numbers + logitArrays * config.vocabSize);
}

/**
 * The same for a pass that only scores: it holds the arrays of one layer, and the logits once. Resident with SmolLM2-135M
 * and 8 sequences of 64 tokens: 130 MiB; the estimate is 127.
 */
export function scoringBytes(
  config: ModelConfig,
  { batch, length }: { batch: number; length: number },
): number {
  return 4 * batch * length * (perLayer(config, length) + config.vocabSize);
}

function perLayer({ hiddenSize, intermediateSize, numHeads }: ModelConfig, length: number): number {
  return (
    hiddenArrays * hiddenSize + innerArrays * intermediateSize + scoreArrays * numHeads * length
  );
}

/** Layers whose arrays are kept for the backward pass. Below the first trained layer they go when the next layer has run. */
function layersHeld({ numLayers, engram }: ModelConfig, part: TrainedPart): number {
  if (part === "all") return numLayers;
  const first = Math.min(numLayers, ...(engram?.layerIds ?? []));
  return Math.min(numLayers, numLayers - first + 1);
}
