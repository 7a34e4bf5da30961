/**
 * A model's weights as a graph sees them: numbers, which are inputs of the graph, or packed weights, which are
 * constants of it. Layers ask for products and rows, and do not know which of the two they use.
 *
 * N rows, K inputs, M outputs of a matrix [M,K].
 */
import {
  type GgmlBlockType,
  type GgmlPacking,
  isBlockType,
  packingOf,
  QUANTIZED_BLOCK,
  type QuantizedBits,
} from "../numerics/index.ts";
import {
  type GraphBuilder,
  type QuantizedTensor,
  type Shape,
  type Tensor,
} from "../tensor/index.ts";
import type { ModelConfig } from "./config.ts";
import type { KindParams, ParamSpec } from "./kind.ts";
import { embedName, headName, layerName, paramSpecs, positionsName } from "./params.ts";
import { isInBlocks } from "./row-blocks.ts";

/** A matrix [M,K] in packed form; see `numerics/quantized-blocks.ts`. */
export interface QuantizedMatrix {
  readonly shape: readonly [rows: number, width: number];
  readonly bits: QuantizedBits;
  /** [M, K*bits/8] */
  readonly codes: Uint8Array;
  /** [M, K/32] */
  readonly scales: Float32Array;
  /** [M, K/32]; added to each number of a block. Absent: none are. */
  readonly offsets?: Float32Array;
}

/** Packed matrices, by the names of the weights they replace. */
export type QuantizedWeights = ReadonlyMap<string, QuantizedMatrix>;

/** How weights are held. Default: all of them as numbers, by rows. */
export interface WeightForm {
  /** Packed weights, which are constants of the graph and not inputs. */
  readonly quantized?: QuantizedWeights | undefined;
  /** Matrices lie in blocks of so many rows (`row-blocks.ts`). */
  readonly rowBlock?: number | undefined;
}

/** Whether a weight can be packed. Gains cannot. Narrow matrices are not worth a second kind of block. */
export function isQuantizable({ kind, shape }: ParamSpec): boolean {
  return kind !== "gain" && shape.length === 2 && shape[1]! % QUANTIZED_BLOCK === 0;
}

/** How a weight that rests as `type` is held without being unpacked; undefined where it is held as numbers. */
export function packingAtRest(
  spec: ParamSpec,
  type: string | undefined,
): (GgmlPacking & { readonly type: GgmlBlockType }) | undefined {
  if (type === undefined || !isBlockType(type) || !isQuantizable(spec)) return undefined;
  const packing = packingOf(type);
  return packing && { type, ...packing };
}

/** The weights of one kind in one layer, by the names that the kind's code uses. */
export interface KindWeights<Name extends string> {
  /** An unpacked weight: gains and kernels are never packed. */
  gain(name: Name): Tensor;
  /** x [N,K] -> x W^T [N,M], plus a bias [M] where it is named. */
  project(x_NK: Tensor, name: Name, bias?: Name): Tensor;
  /** First and second half of the columns of `project`, [...leading,M/2] each. `leading` has N elements in all. */
  projectHalves(x_NK: Tensor, name: Name, leading: Shape): readonly [first: Tensor, second: Tensor];
}

export interface LayerWeights {
  of<Name extends string>(params: KindParams<Name>): KindWeights<Name>;
}

export interface ModelWeights {
  /** The weights that are inputs of the graph, by rows. */
  readonly inputs: ReadonlyMap<string, Tensor>;
  layer(layer: number): LayerWeights;
  /** The weights that belong to no layer. */
  readonly top: LayerWeights;
  /** ids [...] -> [..., D]; with positions [...], where they are learned, their vectors added. */
  embed(ids: Tensor, positions?: Tensor): Tensor;
  /** hidden [N,D] -> logits [N,V] */
  head(hidden_ND: Tensor): Tensor;
  /** hidden [N,D], labels [N] -> loss [N], probs [N,V] */
  headLoss(hidden_ND: Tensor, labels_N: Tensor): readonly [Tensor, Tensor];
}

/** Declares all weights of a model in `g`. */
export function declareWeights(
  g: GraphBuilder,
  config: ModelConfig,
  { quantized, rowBlock }: WeightForm = {},
): ModelWeights {
  const inputs = new Map<string, Tensor>();
  const inBlocks = new Map<string, Tensor>();
  const packed = new Map<string, QuantizedTensor>();
  for (const spec of paramSpecs(config)) {
    const { name, shape } = spec;
    const matrix = quantized?.get(name);
    if (matrix !== undefined) packed.set(name, packedConstants(g, matrix));
    else if (!isInBlocks(spec, rowBlock)) inputs.set(name, g.input(name, "f32", shape));
    else {
      const [rows, width] = shape as [number, number];
      const blocks = g.input(name, "f32", [rows / rowBlock!, width, rowBlock!]);
      inBlocks.set(name, g.reshape(g.transpose(blocks, [0, 2, 1]), shape));
    }
  }
  const number = (name: string): Tensor => inputs.get(name) ?? inBlocks.get(name)!;
  const project = (x_NK: Tensor, name: string): Tensor => {
    const matrix = packed.get(name);
    if (matrix === undefined) return g.matmul(x_NK, number(name), { transB: true });
    return g.matmulQuantized(x_NK, matrix);
  };
  const vectors = (name: string, ids: Tensor): Tensor => {
    const matrix = packed.get(name);
    if (matrix === undefined) return g.gatherRows(number(name), ids);
    return g.gatherRowsQuantized(matrix, ids);
  };
  const head = config.tieEmbeddings ? embedName : headName;
  const within = (wholeName: (name: string) => string): LayerWeights => ({
    of(params) {
      const nameOf = (name: keyof typeof params): string => wholeName(params[name].name);
      return {
        gain: (name) => number(nameOf(name)),
        project(x_NK, name, bias) {
          const y_NM = project(x_NK, nameOf(name));
          return bias === undefined ? y_NM : g.add(y_NM, number(nameOf(bias)));
        },
        projectHalves(x_NK, name, leading) {
          const weight = inputs.get(nameOf(name));
          const [rows, width] = x_NK.shape as [number, number];
          // A split copies the weights or the result, so the smaller is split. Weights that are packed or in blocks cannot be split.
          if (weight !== undefined && rows >= width)
            return g.split(weight, 0, 2).map((half) => {
              const y_NM = g.matmul(x_NK, half, { transB: true });
              return g.reshape(y_NM, [...leading, y_NM.shape[1]!]);
            }) as [Tensor, Tensor];
          const y_NM = project(x_NK, nameOf(name));
          const y = g.reshape(y_NM, [...leading, y_NM.shape[1]!]);
          return g.split(y, leading.length, 2) as [Tensor, Tensor];
        },
      };
    },
  });
  return {
    inputs,
    layer: (layer) => within((name) => layerName(layer, name)),
    top: within((name) => name),
    embed(ids, positions) {
      const x = vectors(embedName, ids);
      return positions === undefined ? x : g.add(x, vectors(positionsName, positions));
    },
    head: (hidden_ND) => project(hidden_ND, head),
    headLoss(hidden_ND, labels_N) {
      const outputs = packed.has(head)
        ? g.op("crossEntropy", [project(hidden_ND, head), labels_N], {})
        : g.op("linearCrossEntropy", [hidden_ND, number(head), labels_N], {});
      return outputs as readonly [Tensor, Tensor];
    },
  };
}

function packedConstants(g: GraphBuilder, matrix: QuantizedMatrix): QuantizedTensor {
  const { shape, bits, codes, scales, offsets } = matrix;
  const [rows, width] = shape;
  return {
    bits,
    codes: g.constant(codes, [rows, (width * bits) / 8], { dtype: "u8" }),
    scales: g.constant(scales, [rows, width / QUANTIZED_BLOCK]),
    ...(offsets && { offsets: g.constant(offsets, [rows, width / QUANTIZED_BLOCK]) }),
  };
}
