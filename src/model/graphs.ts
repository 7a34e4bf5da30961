/**
 * The traced graphs of decoding (prefill is decoding of many tokens); `packed-graphs.ts` has those of evaluation, `train-graph.ts` that of training.
 * Defines the names of graph inputs and outputs. Whoever runs a graph binds memory to these names.
 *
 * B batch, T tokens, N = B*T, D model width, E memory width, V vocabulary, C cache capacity.
 */
import { type Graph, GraphBuilder, type Tensor } from "../tensor/index.ts";
import { type Attend, cachedAttend, type LayerCache, type Rotation } from "./attention.ts";
import { evidenceWidth, memoryWidth } from "../memory/index.ts";
import { blockOf, type ModelConfig, rotaryWidthOf } from "./config.ts";
import type { Shift } from "./engram.ts";
import { mixtureParams, mixtureWeights } from "./mixture.ts";
import { type LayerRange, transformer, type TransformerInputs } from "./transformer.ts";
import { declareWeights, type ModelWeights, type WeightForm } from "./weights.ts";

/** Names of graph inputs and outputs. Parameters keep their own names. */
export const io = {
  ids: "ids",
  labels: "labels",
  weights: "weights",
  segments: "segments",
  positions: "positions",
  cos: "cos",
  sin: "sin",
  past: "past",
  last: "last",
  loss: "loss",
  /** Probabilities of the label under each distribution of the memory. */
  chances: "chances",
  /** Mixture weights of the backbone and of each distribution. */
  mixture: "mixture",
  probs: "probs",
  logits: "logits",
  hidden: "hidden",
  memory: (layer: number): string => `memory.${layer}`,
  gate: (layer: number): string => `gate.${layer}`,
  written: (layer: number): string => `written.${layer}`,
  writtenTo: (layer: number): string => `writtenTo.${layer}`,
  keys: (layer: number): string => `keys.${layer}`,
  values: (layer: number): string => `values.${layer}`,
  conv: (layer: number): string => `conv.${layer}`,
  scale: "scale",
  heldGate: (layer: number): string => `heldGate.${layer}`,
  overlay: (layer: number): string => `overlay.${layer}`,
  /** The residual stream before a layer, where one graph ends and the next begins. */
  stream: (layer: number): string => `stream.${layer}`,
  /** An output that may share memory with the input of this name. */
  next: (name: string): string => `next.${name}`,
  gradient: (name: string): string => `d.${name}`,
} as const;

export interface BatchShape {
  readonly batch: number;
  readonly length: number;
}

/** Optional controls of the memory's influence. Each input costs time, so a graph has only those asked for. */
export interface MemoryInputs {
  /** Adds the input `scale` [B,1,1], a factor on what the memory adds to the residual stream. */
  readonly scaled?: boolean;
  /** Adds an input `heldGate` [B,1,1] for each layer. Where not negative, it replaces the computed gate. */
  readonly gated?: boolean;
  /**
   * Adds an input `overlay` [B,T,D] for each of these layers, which is added to the residual stream before it; the number
   * of layers stands for the final norm. Zeros change no bit.
   */
  readonly overlays?: readonly number[];
}

export interface EvalShape extends BatchShape, MemoryInputs, WeightForm {
  /** Adds the output `probs` to `evalGraph`. */
  readonly probs?: boolean;
  /** Adds the output `hidden` [N,D] to `evalGraph`: the states behind the final norm. */
  readonly hidden?: boolean;
}

export function declareMemory(
  g: GraphBuilder,
  config: ModelConfig,
  { batch, length }: BatchShape,
): Map<number, Tensor> {
  const memory = new Map<number, Tensor>();
  if (config.engram !== undefined)
    for (const layer of config.engram.layerIds)
      memory.set(
        layer,
        g.input(io.memory(layer), "f32", [batch * length, memoryWidth(config.engram)]),
      );
  return memory;
}

/** Declares the inputs of `MemoryInputs` for a graph with these memories. */
export function declareControls(
  g: GraphBuilder,
  { hiddenSize }: ModelConfig,
  {
    memory,
    shape: { batch, length, scaled = false, gated = false, overlays = [] },
  }: { memory: ReadonlyMap<number, Tensor>; shape: MemoryInputs & BatchShape },
): Pick<TransformerInputs, "scale_B11" | "heldGates" | "overlays"> {
  const input = (name: string): Tensor => g.input(name, "f32", [batch, 1, 1]);
  const layers = [...memory.keys()];
  const written = (layer: number): Tensor =>
    g.input(io.overlay(layer), "f32", [batch, length, hiddenSize]);
  return {
    ...(scaled && memory.size > 0 && { scale_B11: input(io.scale) }),
    ...(gated && {
      heldGates: new Map(layers.map((layer) => [layer, input(io.heldGate(layer))])),
    }),
    overlays: new Map(overlays.map((layer) => [layer, written(layer)])),
  };
}

/** Undefined where positions are learned. */
export function declareRotation(
  g: GraphBuilder,
  config: ModelConfig,
  length: number,
): Rotation | undefined {
  if (blockOf(config).positions !== "rotary") return undefined;
  const shape = [length, rotaryWidthOf(config) / 2];
  return { cos: g.input(io.cos, "f32", shape), sin: g.input(io.sin, "f32", shape) };
}

/**
 * Mixture weights [N,1+K], if the model mixes in distributions of the memory. Their evidence comes in as the memory of
 * one more layer, after the last.
 */
export function declareMixture(
  g: GraphBuilder,
  config: ModelConfig,
  { params, hidden_ND }: { params: ModelWeights; hidden_ND: Tensor },
): Tensor | undefined {
  if (config.counted === undefined) return undefined;
  const shape = [hidden_ND.shape[0]!, evidenceWidth(config.counted.order)];
  const evidence_NE = g.input(io.memory(config.numLayers), "f32", shape);
  return mixtureWeights(g, params.top.of(mixtureParams(config)), { hidden_ND, evidence_NE });
}

export interface DecodeShape extends BatchShape, MemoryInputs, WeightForm {
  /** Number of positions in the cache. */
  readonly capacity: number;
  /** Logits of one position a row (chosen by the input `last` [1]), logits of all, or hidden states instead. */
  readonly logits: "last" | "all" | "none";
  /** Adds the outputs `written` and `writtenTo` [B,T,1] for each Engram layer; see `decodeGraph`. */
  readonly sizes?: boolean;
  /** Only these layers. Default: the whole model. */
  readonly part?: LayerRange;
}

/**
 * The model, cut before each layer with a memory. A part can run while the rows for later parts are still being read.
 */
export function decodeParts({ numLayers, engram }: ModelConfig): LayerRange[] {
  const cuts = (engram?.layerIds ?? []).filter((layer) => layer > 0).toSorted((a, b) => a - b);
  const starts = [0, ...cuts];
  return starts.map((from, i) => ({ from, to: starts[i + 1] ?? numLayers }));
}

/** How many positions a short convolution looks back. */
export function convHistory(config: ModelConfig): number {
  return config.engram === undefined || config.engramKernelSize === 0
    ? 0
    : (config.engramKernelSize - 1) * config.engram.maxNgramSize;
}

/**
 * Inputs: parameters; memory; ids [B,T]; cos and sin [C,r/2], of which the rows of the new positions are read, or
 * positions [B,T] where they are learned; past [B], the number of tokens already in the cache; keys and values of the cache,
 * [B,K,C,d] for each layer; last [1] if `logits` is "last"; if there is a memory, the requested inputs of
 * `MemoryInputs`; conv [B,history,D] for each layer with a short convolution: the convolution's inputs at the positions
 * before.
 * Outputs: logits [B,1,V] or [B,T,V], or hidden [B,T,D] after the final norm; gate [B,T,1] for each layer; if `sizes`,
 * the L2 norms of what each Engram layer added to the residual stream and of the stream before it; the `next.` caches,
 * which may share memory with the input caches; `next.` conv [B,T,D], the convolution's inputs at the new positions.
 */
export function decodeGraph(config: ModelConfig, shape: DecodeShape): Graph {
  const { batch, length, capacity } = shape;
  const g = new GraphBuilder();
  const params = declareWeights(g, config, shape);
  const memory = declareMemory(g, config, shape);
  const ids_BT = g.input(io.ids, "i32", [batch, length]);
  // In the order in which they are declared: cos, sin.
  const rotation = declareRotation(g, config, capacity);
  const angles: Tensor[] = Object.values(rotation ?? {});
  const positions_BT = rotation ? undefined : g.input(io.positions, "i32", [batch, length]);
  const past_B = g.input(io.past, "i32", [batch]);
  const cacheShape = [batch, config.numKvHeads, capacity, config.headDim];
  const caches: LayerCache[] = Array.from({ length: config.numLayers }, (_, layer) => ({
    keys: g.input(io.keys(layer), "f32", cacheShape),
    values: g.input(io.values(layer), "f32", cacheShape),
  }));
  const attend: Attend = cachedAttend(g, config, { caches, past_B, angles });
  const outputs: Record<string, Tensor> = {};
  const history = convHistory(config);
  const shift = (layer: number): Shift => {
    const past_BPC = g.input(io.conv(layer), "f32", [batch, history, config.hiddenSize]);
    return (x_BTC, by) => {
      outputs[io.next(io.conv(layer))] = x_BTC;
      return g.slice(g.concat([past_BPC, x_BTC], 1), 1, history - by, history - by + length);
    };
  };
  const { part = { from: 0, to: config.numLayers } } = shape;
  const isWhole = part.from === 0 && part.to === config.numLayers;
  const streamShape = [batch, length, config.hiddenSize];
  const { hidden_BTD, gates, writes } = transformer(g, config, params, {
    ids_BT,
    positions_BT,
    attend,
    memory,
    shift,
    layers: part,
    ...(part.from > 0 && { stream_BTD: g.input(io.stream(part.from), "f32", streamShape) }),
    ...declareControls(g, config, { memory, shape }),
  });
  if (part.to < config.numLayers) outputs[io.stream(part.to)] = hidden_BTD;
  else Object.assign(outputs, topOutputs(g, config, { params, hidden_BTD, shape }));
  for (const [layer, gate] of gates) outputs[io.gate(layer)] = gate;
  const length2 = (x: Tensor): Tensor => g.sqrt(g.reduceSum(g.mul(x, x), [2]));
  if (shape.sizes === true)
    for (const [layer, { update_BTD, stream_BTD }] of writes) {
      outputs[io.written(layer)] = length2(update_BTD);
      outputs[io.writtenTo(layer)] = length2(stream_BTD);
    }
  for (let layer = part.from; layer < part.to; layer++) {
    outputs[io.next(io.keys(layer))] = caches[layer]!.keys;
    outputs[io.next(io.values(layer))] = caches[layer]!.values;
  }
  return g.build(outputs, { inputs: isWhole ? "all" : "needed" });
}

/** Logits or hidden states, computed from the hidden states after the final norm. */
function topOutputs(
  g: GraphBuilder,
  config: ModelConfig,
  { params, hidden_BTD, shape }: { params: ModelWeights; hidden_BTD: Tensor; shape: DecodeShape },
): Record<string, Tensor> {
  const { batch, length, logits } = shape;
  if (logits === "none") return { [io.hidden]: hidden_BTD };
  let top_BTD = hidden_BTD;
  if (logits === "last") {
    const last = g.input(io.last, "i32", [1]);
    if (batch !== 1) top_BTD = g.slice(hidden_BTD, 1, length - 1, length);
    else top_BTD = g.gatherRows(g.reshape(hidden_BTD, [length, config.hiddenSize]), last);
  }
  const rows = logits === "last" ? batch : batch * length;
  const top_ND = g.reshape(top_BTD, [rows, config.hiddenSize]);
  const logits_NV = params.head(top_ND);
  const hidden_ND = g.reshape(hidden_BTD, [batch * length, config.hiddenSize]);
  const mixture_NK = declareMixture(g, config, { params, hidden_ND });
  return {
    [io.logits]: g.reshape(logits_NV, [batch, rows / batch, config.vocabSize]),
    ...(mixture_NK !== undefined && {
      [io.mixture]: g.reshape(mixture_NK, [batch, length, config.counted!.order]),
    }),
  };
}
