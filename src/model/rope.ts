/**
 * Rotary position angles (arXiv 2104.09864, section 3.4.2), computed on the host in f64.
 *
 * d rotated width of a head, T positions.
 */
import { type ModelConfig, blockOf, rotaryWidthOf, type RopeScaling } from "./config.ts";

/** cos and sin of position * frequency, for `length` positions from `start`: [T, d/2] each, written into the given
 *  arrays from their row `first` on: by default that of their position. */
export function ropeAngles(
  config: ModelConfig,
  { start, length, first = start }: { start: number; length: number; first?: number },
  into: { readonly cos: Float32Array; readonly sin: Float32Array },
): void {
  const half = rotaryWidthOf(config) / 2;
  const { ropeScaling } = blockOf(config);
  for (let i = 0; i < half; i++) {
    const frequency = scaled(config.ropeTheta ** (-i / half), ropeScaling);
    for (let t = 0; t < length; t++) {
      const angle = (start + t) * frequency;
      into.cos[(first + t) * half + i] = Math.cos(angle);
      into.sin[(first + t) * half + i] = Math.sin(angle);
    }
  }
}

function scaled(frequency: number, scaling: RopeScaling | undefined): number {
  if (scaling === undefined) return frequency;
  const slow = frequency / scaling.factor;
  if (scaling.kind === "linear") return slow;
  const { trainedPositions, lowFrequency, highFrequency } = scaling;
  /** Turns within the first context. */
  const turns = (trainedPositions * frequency) / (2 * Math.PI);
  const share = (turns - lowFrequency) / (highFrequency - lowFrequency);
  const kept = Math.min(1, Math.max(0, share));
  return kept * frequency + (1 - kept) * slow;
}
