/** The angles of rotations for graphs over whole texts or places in them; `positions.ts` has what decoding is told. */
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
