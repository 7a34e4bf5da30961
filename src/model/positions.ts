/** What a graph is told of positions, by the host: angles of rotations, or indices of learned vectors. */
import { type Value, valueOf, zeros } from "../tensor/index.ts";
import { blockOf, type ModelConfig, rotaryWidthOf } from "./config.ts";
import { io } from "./graphs.ts";
import { ropeAngles } from "./rope.ts";

/** The inputs of a graph over packed texts of `length` tokens, counted from `start`. Learned positions it finds itself. */
export function rotaryInputs(
  config: ModelConfig,
  length: number,
  start = 0,
): Record<string, Value> {
  if (blockOf(config).positions !== "rotary") return {};
  const half = rotaryWidthOf(config) / 2;
  const [cos, sin] = [new Float32Array(length * half), new Float32Array(length * half)];
  ropeAngles(config, { start, length }, { cos, sin });
  return { [io.cos]: valueOf(cos, [length, half]), [io.sin]: valueOf(sin, [length, half]) };
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

/** Room for the angles of `capacity` positions: inputs of decoding graphs, where `writePositions` fills in what a run reads. */
export function rotaryTables(config: ModelConfig, capacity: number): Record<string, Value> {
  if (blockOf(config).positions !== "rotary") return {};
  const shape = [capacity, rotaryWidthOf(config) / 2];
  return { [io.cos]: zeros("f32", shape), [io.sin]: zeros("f32", shape) };
}

/**
 * Writes into the inputs of a decoding graph that row `row` stands at `length` positions from `start` on. Angles stand at their
 * position, the same whoever writes them, so graphs may share those inputs.
 */
export function writePositions(
  config: ModelConfig,
  inputs: Readonly<Record<string, Value>>,
  { row, start, length }: { row: number; start: number; length: number },
): void {
  const data = (name: string): Float32Array => inputs[name]!.data as Float32Array;
  if (blockOf(config).positions === "rotary")
    ropeAngles(config, { start, length, first: start }, { cos: data(io.cos), sin: data(io.sin) });
  else {
    const first = row * length;
    // What only pads the row may stand behind the last position.
    const last = config.maxPositions - 1;
    for (let t = 0; t < length; t++)
      inputs[io.positions]!.data[first + t] = Math.min(start + t, last);
  }
}
