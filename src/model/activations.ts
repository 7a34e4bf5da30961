/**
 * Estimates how much memory the intermediate values of one pass of the training graph take, before anything runs. For
 * memory plans. Knows sizes, not graphs.
 */
import type { ModelConfig } from "./config.ts";

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
  { hiddenSize, intermediateSize, numHeads, numLayers, vocabSize }: ModelConfig,
  { batch, length }: { batch: number; length: number },
): number {
  const perLayer =
    hiddenArrays * hiddenSize + innerArrays * intermediateSize + scoreArrays * numHeads * length;
  return 4 * batch * length * (numLayers * perLayer + logitArrays * vocabSize);
}
