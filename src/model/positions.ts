/** What a decoding graph is told of positions, by the host: angles of rotations, or indices of learned vectors. */
import type { Value } from "../tensor/index.ts";
import { blockOf, type ModelConfig } from "./config.ts";
import { io } from "./graphs.ts";
import { ropeAngles } from "./rope.ts";

/**
 * Writes into the inputs of a decoding graph that row `row` stands at `length` positions from `start` on. Angles stand in the row
 * of their position.
 */
export function writePositions(
  config: ModelConfig,
  inputs: Readonly<Record<string, Value>>,
  { row, start, length }: { row: number; start: number; length: number },
): void {
  if (blockOf(config).positions === "rotary")
    ropeAngles(
      config,
      { start, length },
      {
        cos: inputs[io.cos]!.data as Float32Array,
        sin: inputs[io.sin]!.data as Float32Array,
      },
    );
  else {
    // What only pads the row may stand behind the last position.
    for (let t = 0; t < length; t++)
      inputs[io.positions]!.data[row * length + t] = Math.min(start + t, config.maxPositions - 1);
  }
}
