/** The residual stream between the layers of a model, from the parts that a decoding graph can be cut into. */
import { decodeGraph, io, writePositions } from "../../src/model/index.ts";
import type { Model } from "../../src/opened-model.ts";
import { runOnce, type Value, zeros } from "../../src/tensor/index.ts";

/** The stream [T,D] that leaves the first `to` layers; after all of them, what leaves the final norm. */
export async function streamAfter(
  { language: { config, params, backend } }: Model,
  ids: readonly number[],
  to: number,
): Promise<Float32Array> {
  const length = ids.length;
  const graph = decodeGraph(config, {
    batch: 1,
    length,
    capacity: length,
    logits: "none",
    part: { from: 0, to },
  });
  const inputs: Record<string, Value> = {};
  for (const [name, { dtype, shape }] of graph.inputs)
    inputs[name] = params[name] ?? zeros(dtype, shape);
  inputs[io.ids]!.data.set(ids);
  writePositions(config, inputs, { row: 0, start: 0, length });
  const outputs = await runOnce(backend, graph, inputs);
  return outputs[to < config.numLayers ? io.stream(to) : io.hidden]!.data as Float32Array;
}
