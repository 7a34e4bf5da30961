/** What a graph is told of positions, by the host: angles of rotations, or indices of learned vectors. */
import { type Value, valueOf } from "../tensor/index.ts";
import { blockOf, type ModelConfig, rotaryWidthOf } from "./config.ts";
import { io } from "./graphs.ts";
import { ropeAngles } from "./rope.ts";

/** The inputs of a graph over packed texts of `length` tokens, counted from 0. Learned positions it finds itself. */
export function rotaryInputs(config: ModelConfig, length: number): Record<string, Value> {
  return rotaryInputsAt(config, [...Array(length).keys()]);
}

/** The inputs of a graph over places of texts, each at a position of its own. */
export function rotaryInputsAt(
  config: ModelConfig,
  positions: ArrayLike<number>,
): Record<string, Value> {
  if (blockOf(config).positions !== "rotary") return {};
  const half = rotaryWidthOf(config) / 2;
  const size = [positions.length, half];
  const [cos, sin] = [new Float32Array(size[0]! * half), new Float32Array(size[0]! * half)];
  for (let first = 0; first < positions.length; first++)
    ropeAngles(config, { start: positions[first]!, length: 1, first }, { cos, sin });
  return { [io.cos]: valueOf(cos, size), [io.sin]: valueOf(sin, size) };
}

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
