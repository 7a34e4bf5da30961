/**
 * The parameter tree: names, shapes and start values of every backbone weight. The rows of the
 * memory's tables are not here: the graph never holds them.
 *
 * Names are those of Hugging Face's decoder models, with the released names inside `engram`
 * (spec 7.2). Matrices are [out, in].
 */
import { Random } from "../numerics/index.ts";
import { sizeOf, type Value, valueOf } from "../tensor/index.ts";
import { memoryWidth } from "../memory/index.ts";
import type { ModelConfig } from "./config.ts";

/** How a weight starts: normal with this deviation, or one constant. */
export type Init = { readonly normal: number } | { readonly constant: number };

export interface ParamSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly init: Init;
  /** `matrix`: a hidden matrix product; `embedding`: indexed by token; `gain`: per-channel. Optimizers
   *  choose their rule and their weight decay by this. */
  readonly kind: "matrix" | "embedding" | "gain";
}

export const embedName = "model.embed_tokens.weight";
export const headName = "lm_head.weight";
export const finalNormName = "model.norm.weight";

export function layerName(layer: number, rest: string): string {
  return `model.layers.${layer}.${rest}`;
}

/** Every parameter in a fixed order: the order of checkpoints and of optimizer state. */
export function paramSpecs(config: ModelConfig): ParamSpec[] {
  const { hiddenSize: d, headDim, numHeads, numKvHeads, intermediateSize, numLayers } = config;
  // GPT-2's start values: deviation 0.02, and residual projections scaled by 1/sqrt(2 layers) so
  // that the stream's variance does not grow with depth. (Radford et al. 2019, section 2.3)
  const normal: Init = { normal: 0.02 };
  const residual: Init = { normal: 0.02 / Math.sqrt(2 * numLayers) };
  const one: Init = { constant: 1 };
  const specs: ParamSpec[] = [
    { name: embedName, shape: [config.vocabSize, d], init: normal, kind: "embedding" },
  ];
  const add = (
    name: string,
    shape: readonly number[],
    init: Init,
    kind: ParamSpec["kind"],
  ): void => {
    specs.push({ name, shape, init, kind });
  };
  for (let layer = 0; layer < numLayers; layer++) {
    const at = (rest: string): string => layerName(layer, rest);
    if (config.engram?.layerIds.includes(layer)) {
      const e = memoryWidth(config.engram);
      // One branch: key rows then value rows, the released `wkv` layout. (spec 7.5)
      add(at("engram.wkv.weight"), [2 * d, e], { normal: 1 / Math.sqrt(e) }, "matrix");
      add(at("engram.q_weight"), [1, d], one, "gain");
      add(at("engram.k_weight"), [1, d], one, "gain");
      if (config.engramKernelSize > 0) {
        add(at("engram.short_conv.norms.0.weight"), [d], one, "gain");
        // Zero, so that the convolution starts absent. (arXiv 2601.07372, appendix A)
        add(
          at("engram.short_conv.conv.weight"),
          [d, 1, config.engramKernelSize],
          { constant: 0 },
          "gain",
        );
      }
    }
    add(at("input_layernorm.weight"), [d], one, "gain");
    add(at("self_attn.q_proj.weight"), [numHeads * headDim, d], normal, "matrix");
    add(at("self_attn.k_proj.weight"), [numKvHeads * headDim, d], normal, "matrix");
    add(at("self_attn.v_proj.weight"), [numKvHeads * headDim, d], normal, "matrix");
    add(at("self_attn.q_norm.weight"), [headDim], one, "gain");
    add(at("self_attn.k_norm.weight"), [headDim], one, "gain");
    add(at("self_attn.o_proj.weight"), [d, numHeads * headDim], residual, "matrix");
    add(at("post_attention_layernorm.weight"), [d], one, "gain");
    add(at("mlp.gate_proj.weight"), [intermediateSize, d], normal, "matrix");
    add(at("mlp.up_proj.weight"), [intermediateSize, d], normal, "matrix");
    add(at("mlp.down_proj.weight"), [d, intermediateSize], residual, "matrix");
  }
  add(finalNormName, [d], one, "gain");
  if (!config.tieEmbeddings) add(headName, [config.vocabSize, d], normal, "embedding");
  return specs;
}

export function numParams(specs: readonly ParamSpec[]): number {
  return specs.reduce((n, { shape }) => n + shape.reduce((a, b) => a * b, 1), 0);
}

/**
 * All parameters in one f32 array, grouped by kind (matrices, embeddings, gains) so that an optimizer
 * sees each kind as one run of numbers. Gradients and optimizer state use the same layout.
 */
export interface ParamLayout {
  readonly specs: readonly ParamSpec[];
  readonly length: number;
  readonly offsets: ReadonlyMap<string, number>;
  /** start and end of each kind within the array */
  readonly ranges: Readonly<Record<ParamSpec["kind"], readonly [number, number]>>;
}

const kinds = ["matrix", "embedding", "gain"] as const;

export function paramLayout(config: ModelConfig): ParamLayout {
  const specs = paramSpecs(config);
  const offsets = new Map<string, number>();
  const ranges: Record<string, readonly [number, number]> = {};
  let at = 0;
  for (const kind of kinds) {
    const start = at;
    for (const spec of specs) {
      if (spec.kind !== kind) continue;
      offsets.set(spec.name, at);
      // 64-byte alignment: no two weights share a cache line, and vector loads stay aligned.
      at += Math.ceil(sizeOf(spec.shape) / 16) * 16;
    }
    ranges[kind] = [start, at];
  }
  return { specs, length: at, offsets, ranges: ranges as ParamLayout["ranges"] };
}

/** Views of each parameter within `data`, by name. */
export function paramViews(layout: ParamLayout, data: Float32Array): Record<string, Value> {
  return Object.fromEntries(
    layout.specs.map(({ name, shape }) => {
      const start = layout.offsets.get(name)!;
      return [name, valueOf(data.subarray(start, start + sizeOf(shape)), shape)];
    }),
  );
}

/**
 * Start values. Each parameter draws from a stream of its own name, so that a model with memory and
 * one without start from the same backbone.
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
