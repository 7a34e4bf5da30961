/**
 * What a frozen memory gives to a training graph: vectors and chances for a batch, as inputs, and places for gradients that nobody
 * wants. For benches that train something else beside a model's own memory.
 */
import { type Batch, spansOf } from "../../src/inference/index.ts";
import type { Memory } from "../../src/memory/index.ts";
import { io } from "../../src/model/index.ts";
import { type Value, zeros } from "../../src/tensor/index.ts";

export interface MemoryInputs {
  readonly inputs: Readonly<Record<string, Value>>;
  readonly outputs: Readonly<Record<string, Value>>;
  /** Reads what the ids and labels of the batch address. */
  fill(): Promise<void>;
}

/** None of a model without memory. */
export function memoryInputs(
  memory: Memory | undefined,
  batch: Batch,
  numLayers: number,
): MemoryInputs {
  const inputs: Record<string, Value> = {};
  const outputs: Record<string, Value> = {};
  const positions = batch.batch * batch.length;
  for (const { layerId, width } of memory?.inputs ?? []) {
    const name = io.memory(layerId);
    inputs[name] = zeros("f32", [positions, width]);
    // What is read behind the last layer is evidence, and has no gradient.
    if (layerId === numLayers) continue;
    outputs[io.gradient(name)] = zeros("f32", [positions, width]);
    outputs[io.gate(layerId)] = zeros("f32", [batch.batch]);
  }
  const count = memory?.numDistributions ?? 0;
  const chances = zeros("f32", [positions, count]);
  if (count > 0) inputs[io.chances] = chances;
  const reader = memory?.reader();
  const vectors = new Map(
    (memory?.inputs ?? []).map(({ layerId }) => [
      layerId,
      inputs[io.memory(layerId)]!.data as Float32Array,
    ]),
  );
  return {
    inputs,
    outputs,
    async fill() {
      if (reader === undefined) return;
      const lookUp = reader.lookUp(reader.address(spansOf(batch)), vectors);
      await lookUp.all();
      for (const [position, label] of batch.labels.entries())
        lookUp.distributions?.chances(
          position,
          label,
          (chances.data as Float32Array).subarray(position * count, (position + 1) * count),
        );
    },
  };
}
