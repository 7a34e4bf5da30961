/** The backbone's weights in one array: what a training changes. */
import { sizeOf, type Value, valueOf } from "../tensor/index.ts";
import type { ModelConfig } from "./config.ts";
import type { ParamSpec } from "./kind.ts";
import { paramSpecs } from "./params.ts";

/** Which weights a training changes: all, or only those that the same backbone without a memory does not have. */
export type TrainedPart = "all" | "memory";

/** In the order of `paramSpecs`. */
export function trainedSpecs(config: ModelConfig, part: TrainedPart): ParamSpec[] {
  const specs = paramSpecs(config);
  if (part === "all") return specs;
  const { engram: _rows, counted: _counts, ...backbone } = config;
  const frozen = new Set(paramSpecs(backbone).map(({ name }) => name));
  return specs.filter(({ name }) => !frozen.has(name));
}

/**
 * Parameters in one f32 array, grouped by kind (matrices, embeddings, gains), so that an optimizer can treat each
 * kind as one contiguous range. Gradients and optimizer state use the same layout. Frozen weights have no place in it, and
 * so no gradient and no moments.
 */
export interface ParamLayout {
  readonly specs: readonly ParamSpec[];
  readonly length: number;
  readonly offsets: ReadonlyMap<string, number>;
  /** Start and end of each kind within the array. */
  readonly ranges: Readonly<Record<ParamSpec["kind"], readonly [number, number]>>;
}

const kinds = ["matrix", "embedding", "gain"] as const;

export function paramLayout(config: ModelConfig, part: TrainedPart = "all"): ParamLayout {
  const specs = trainedSpecs(config, part);
  const offsets = new Map<string, number>();
  const ranges: Record<string, readonly [number, number]> = {};
  let at = 0;
  for (const kind of kinds) {
    const start = at;
    for (const spec of specs) {
      if (spec.kind !== kind) continue;
      offsets.set(spec.name, at);
      // 64-byte alignment: no two weights share a cache line, and vector loads are aligned.
      at += Math.ceil(sizeOf(spec.shape) / 16) * 16;
    }
    ranges[kind] = [start, at];
  }
  return { specs, length: at, offsets, ranges: ranges as ParamLayout["ranges"] };
}

/** Views of each parameter of the layout within `data`, by name. */
export function paramViews(layout: ParamLayout, data: Float32Array): Record<string, Value> {
  return Object.fromEntries(
    layout.specs.map(({ name, shape }) => {
      const start = layout.offsets.get(name)!;
      return [name, valueOf(data.subarray(start, start + sizeOf(shape)), shape)];
    }),
  );
}
