/** The weights with which a training begins. */
import { Random } from "../numerics/index.ts";
import { sizeOf } from "../tensor/index.ts";
import type { ParamLayout } from "./param-layout.ts";

/**
 * Start values. Each parameter has its own random stream, derived from its name. So models with and without memory
 * start from the same backbone.
 */
export function initialParams(layout: ParamLayout, seed: number): Float32Array {
  const data = new Float32Array(layout.length);
  for (const { name, shape, init } of layout.specs) {
    const start = layout.offsets.get(name)!;
    const view = data.subarray(start, start + sizeOf(shape));
    if ("constant" in init) view.fill(init.constant);
    else Random.fromSeed(seed, name).fillNormal(view, init.normal);
  }
  return data;
}
