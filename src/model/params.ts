/**
 * The parameter tree: every backbone weight in a fixed order, and all of them in one array. The kinds of a layer
 * declare which weights it has. Rows of the memory's tables are not included: the graph never holds them.
 *
 * Names are those of Hugging Face's decoder models, with the released names inside `engram`
 * (spec 7.2). Matrices are [out, in].
 */
import { Random } from "../numerics/index.ts";
import { sizeOf, type Value, valueOf } from "../tensor/index.ts";
import { blockParams, finalNorm } from "./block.ts";
import { blockOf, type ModelConfig } from "./config.ts";
import { mixtureParams } from "./mixture.ts";
import { NORMAL, type ParamSpec } from "./kind.ts";
import { normParams } from "./norm.ts";

export const embedName = "model.embed_tokens.weight";
export const positionsName = "model.embed_positions.weight";
export const headName = "lm_head.weight";

export function layerName(layer: number, rest: string): string {
  return `model.layers.${layer}.${rest}`;
}

export function isInLayer(name: string): boolean {
  return name.startsWith("model.layers.");
}

/** All parameters in a fixed order, which is also the order of checkpoints and of optimizer state. */
export function paramSpecs(config: ModelConfig): ParamSpec[] {
  const { hiddenSize, vocabSize, maxPositions, numLayers, engram } = config;
  const embedding = (name: string, rows: number): ParamSpec => {
    return { name, shape: [rows, hiddenSize], init: { normal: NORMAL }, kind: "embedding" };
  };
  const specs = [embedding(embedName, vocabSize)];
  if (blockOf(config).positions === "learned") specs.push(embedding(positionsName, maxPositions));
  for (let layer = 0; layer < numLayers; layer++) {
    const kinds = blockParams(config, { hasMemory: engram?.layerIds.includes(layer) === true });
    for (const spec of kinds.flatMap((params) => Object.values<ParamSpec>(params)))
      specs.push({ ...spec, name: layerName(layer, spec.name) });
  }
  specs.push(...Object.values<ParamSpec>(normParams(config, finalNorm)));
  if (config.counted !== undefined) specs.push(...Object.values<ParamSpec>(mixtureParams(config)));
  if (!config.tieEmbeddings) specs.push(embedding(headName, vocabSize));
  return specs;
}

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

export function numParams(specs: readonly Pick<ParamSpec, "shape">[]): number {
  return specs.reduce((n, { shape }) => n + sizeOf(shape), 0);
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
