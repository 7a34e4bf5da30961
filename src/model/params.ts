/**
 * The parameter tree: every backbone weight in a fixed order. The kinds of a layer
 * declare which weights it has. Rows of the memory's tables are not included: the graph never holds them.
 *
 * Names are those of Hugging Face's decoder models, with the released names inside `engram`
 * (spec 7.2). Matrices are [out, in].
 */
import { sizeOf } from "../tensor/index.ts";
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

export function numParams(specs: readonly Pick<ParamSpec, "shape">[]): number {
  return specs.reduce((n, { shape }) => n + sizeOf(shape), 0);
}
