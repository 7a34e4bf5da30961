/**
 * How much memory one pass of the training graph takes for what it computes on the way, roughly: what a plan can
 * say before anything runs. Knows sizes, not graphs.
 */
import type { ModelConfig } from "./config.ts";

/**
 * Arrays that an engine holds at a time, by their width, as fitted to resident memory of ONNX Runtime at two sizes
 * and two batches each (presets tiny and small; 3 to 6 % above what was measured there). Attention's scores are a
 * square of the length.
 */
const hiddenArrays = 14;
const innerArrays = 4;
const scoreArrays = 3;
const logitArrays = 3;

/** Bytes for a pass of `batch` sequences of `length` tokens, its memory and that memory's gradient not counted. */
export function activationBytes(
  { hiddenSize, intermediateSize, numHeads, numLayers, vocabSize }: ModelConfig,
  { batch, length }: { batch: number; length: number },
): number {
  const perLayer =
    hiddenArrays * hiddenSize + innerArrays * intermediateSize + scoreArrays * numHeads * length;
  return 4 * batch * length * (numLayers * perLayer + logitArrays * vocabSize);
}
