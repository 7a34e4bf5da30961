/**
 * Reads and writes a model's weights, as numbers (`stored-weights.ts`) or packed. At most one matrix at a time is in
 * memory twice. Weights that are not finite are refused by name and index. Knows how packed weights rest; not tables,
 * tokenizers or engines.
 *
 * A packed matrix [M,K] called `X.weight` rests as three tensors, in the layout of compressed-tensors:
 *
 *   X.weight_packed  I32  [M, K*bits/32]  codes, unsigned, the first in the lowest bits
 *   X.weight_scale   BF16 [M, K/32]
 *   X.weight_shape   I64  [2]             M and K
 */
import {
  checkTensor,
  type LocatedTensor,
  type ModelFiles,
  tensorSource,
  type TensorSource,
} from "./checkpoint/index.ts";
import { FormatError, InvalidConfigError } from "./errors.ts";
import {
  aloneStored,
  bitsOf,
  isQuantizable,
  type ModelConfig,
  paramLayout,
  type ParamSpec,
  paramSpecs,
  paramViews,
  parseQuantization,
  type QuantizedMatrix,
  type QuantizedWeights,
  quantizeMatrix,
  type StoredTensor,
  storedTensors,
  type WeightDtype,
} from "./model/index.ts";
import {
  decodeBf16Array,
  encodeBf16Array,
  type GgmlBlockType,
  isPackable,
  packGgmlBlocks,
  packingOf,
  QUANTIZED_BLOCK,
  type QuantizedBits,
} from "./numerics/index.ts";
import {
  checkFinite,
  findStored,
  isBlockType,
  type NumberFormat,
  numberFormatOf,
  numberSource,
  readStored,
  storedSources,
} from "./stored-weights.ts";
import { sizeOf, type Value, type Values, valueOf } from "./tensor/index.ts";

export interface ModelWeights {
  readonly params: Values;
  readonly quantized: QuantizedWeights;
}

/** How weights are held: all in one form, or each as it rests where that can be multiplied (blocks of GGUF files). */
export type HeldDtype = WeightDtype | "as-stored";

/**
 * The form in which the weights of `files` will be held. `wanted` is refused if they are stored in another packing.
 */
export function dtypeToHold(
  files: ModelFiles,
  tensors: WeightsToRead["tensors"],
  wanted: WeightDtype | undefined,
): HeldDtype {
  const blocks = blockTypeOf(tensors);
  if (blocks !== undefined) {
    if (wanted === undefined || wanted === "f32") return wanted ?? "as-stored";
    throw new InvalidConfigError(
      `${files.path} holds weights as ${blocks}, which cannot be turned into ${wanted} without a second loss: ` +
        "open it as it is, as f32, or take a file of that size",
    );
  }
  const stored = parseQuantization(files.config);
  if (stored === "f32") return wanted ?? "f32";
  if (wanted === undefined || wanted === stored) return stored;
  throw new InvalidConfigError(
    `${files.path} holds its weights as ${stored}, which cannot be turned into ${wanted}: ` +
      "open it as it is, or start from the model that it was made from",
  );
}

/** Whether weights that are held as `held` could be packed instead. */
export function canBePacked(tensors: WeightsToRead["tensors"], held: HeldDtype): boolean {
  return held === "f32" && blockTypeOf(tensors) === undefined;
}

function blockTypeOf(tensors: WeightsToRead["tensors"]): GgmlBlockType | undefined {
  return [...tensors.values()].map(({ dtype }) => dtype).find(isBlockType);
}

/** Bytes that the weights of a model take in memory. */
export function weightBytes({ config, tensors }: WeightsToRead, dtype: HeldDtype): number {
  return paramSpecs(config).reduce((sum, spec) => {
    const size = sizeOf(spec.shape);
    const blocks = size / QUANTIZED_BLOCK;
    const type = dtype === "as-stored" ? blocksToKeep(spec, tensors.get(spec.name)) : undefined;
    const { bits, hasOffsets } =
      type === undefined
        ? { bits: dtype === "as-stored" ? undefined : bitsOf(dtype), hasOffsets: false }
        : packingOf(type);
    if (bits === undefined || !isQuantizable(spec)) return sum + 4 * size;
    return sum + (size * bits) / 8 + (hasOffsets ? 8 : 4) * blocks;
  }, 0);
}

/** The type of a tensor that stays packed, as it rests; undefined where it is held as numbers. */
function blocksToKeep(
  spec: ParamSpec,
  tensor: LocatedTensor | undefined,
): GgmlBlockType | undefined {
  const type = tensor?.dtype;
  if (type === undefined || !isQuantizable(spec) || !isBlockType(type)) return undefined;
  return isPackable(type) ? type : undefined;
}

/** The tensors of weights that rest as numbers in `files`. */
function numberTensors(files: ModelFiles, config: ModelConfig): StoredTensor[] {
  const isPacked = parseQuantization(files.config) !== "f32";
  if (!isPacked && !files.hasOwnNames) return storedTensors(config);
  // What was packed here rests under the names used here, whatever its family.
  return paramSpecs(config)
    .filter((spec) => !isPacked || !isQuantizable(spec))
    .map(aloneStored);
}

export interface WeightsToRead {
  readonly config: ModelConfig;
  /** By name. */
  readonly tensors: ReadonlyMap<string, LocatedTensor>;
}

/**
 * The tensors of the weights of `files`. Throws `FormatError` for one that is missing, or of another type or shape.
 */
export function checkWeights(
  files: ModelFiles,
  { config, tensors }: WeightsToRead,
): LocatedTensor[] {
  const stored = parseQuantization(files.config);
  const bits = bitsOf(stored);
  const found = findStored(files.path, numberTensors(files, config), tensors);
  const packed =
    bits === undefined
      ? []
      : paramSpecs(config)
          .filter(isQuantizable)
          .flatMap(({ name, shape }) =>
            Object.values(packedSpecs(name, shape as [number, number], bits)),
          );
  return [
    ...found.flatMap((one) => one.found),
    ...packed.map(({ dtype, ...part }) =>
      checkTensor(files.path, tensors.get(part.name), { ...part, dtypes: [dtype] }),
    ),
  ];
}

/** The tensors are there, of these types and shapes (`checkModel`). */
export async function readWeights(
  files: ModelFiles,
  { config, tensors }: WeightsToRead,
  dtype: HeldDtype,
): Promise<ModelWeights> {
  const stored = parseQuantization(files.config);
  const found = findStored(files.path, numberTensors(files, config), tensors);
  if (dtype === "f32") {
    const layout = paramLayout(config);
    const params = paramViews(layout, new Float32Array(layout.length));
    for (const one of found)
      await readStored(files, one, ({ name }) => params[name]!.data as Float32Array);
    return { params, quantized: new Map() };
  }
  const params: Record<string, Value> = {};
  const quantized = new Map<string, QuantizedMatrix>();
  const bits = dtype === "as-stored" ? undefined : bitsOf(dtype);
  for (const one of found) {
    const first = one.stored.parts[0]!.spec;
    const type = bits === undefined ? blocksToKeep(first, one.found[0]) : undefined;
    if (type !== undefined) {
      quantized.set(first.name, await keepBlocks(files, first, type));
      continue;
    }
    const values = one.stored.parts.map(({ spec }) =>
      valueOf(new Float32Array(sizeOf(spec.shape)), spec.shape),
    );
    const specs = one.stored.parts.map(({ spec }) => spec);
    await readStored(files, one, (spec) => values[specs.indexOf(spec)]!.data as Float32Array);
    for (const [i, spec] of specs.entries())
      if (bits !== undefined && isQuantizable(spec))
        quantized.set(spec.name, quantizeMatrix(values[i]!, bits));
      else params[spec.name] = values[i]!;
  }
  if (stored !== "f32")
    for (const spec of paramSpecs(config).filter(isQuantizable))
      quantized.set(spec.name, await readPacked(files, spec, bits!));
  return { params, quantized };
}

/** A matrix in the blocks in which it rests. */
async function keepBlocks(
  files: ModelFiles,
  { name, shape }: ParamSpec,
  type: GgmlBlockType,
): Promise<QuantizedMatrix> {
  const blocks = packGgmlBlocks(type, await files.read(name), sizeOf(shape));
  const [rows, width] = shape as [number, number];
  for (const factors of [blocks.scales, blocks.offsets])
    if (factors !== undefined)
      checkFinite(files.path, { name, shape: [rows, width / QUANTIZED_BLOCK] }, factors);
  return { shape: [rows, width], ...blocks };
}

async function readPacked(
  files: ModelFiles,
  { name, shape }: ParamSpec,
  bits: QuantizedBits,
): Promise<QuantizedMatrix> {
  const [rows, width] = shape as [number, number];
  const specs = packedSpecs(name, [rows, width], bits);
  const sides = new BigInt64Array((await files.read(specs.shape.name)).buffer);
  if (sides[0] !== BigInt(rows) || sides[1] !== BigInt(width))
    throw new FormatError(
      `${files.path}: "${specs.shape.name}" says [${sides.join(", ")}], config.json [${rows}, ${width}]`,
    );
  const codes = await files.read(specs.codes.name);
  const halves = new Uint16Array((await files.read(specs.scales.name)).buffer);
  const scales = new Float32Array(halves.length);
  decodeBf16Array(halves, scales);
  checkFinite(files.path, specs.scales, scales);
  return { shape: [rows, width], bits, codes, scales };
}

type PackedSpec = Pick<TensorSource, "name" | "dtype" | "shape">;

function packedSpecs(
  name: string,
  [rows, width]: readonly [number, number],
  bits: QuantizedBits,
): Readonly<Record<"codes" | "scales" | "shape", PackedSpec>> {
  return {
    codes: { name: `${name}_packed`, dtype: "I32", shape: [rows, (width * bits) / 32] },
    scales: { name: `${name}_scale`, dtype: "BF16", shape: [rows, width / QUANTIZED_BLOCK] },
    shape: { name: `${name}_shape`, dtype: "I64", shape: [2] },
  };
}

/** How the weights of `files` that are not packed are stored. */
export async function storedFormat(files: ModelFiles, config: ModelConfig): Promise<NumberFormat> {
  const layout = numberTensors(files, config);
  return numberFormatOf(findStored(files.path, layout, await files.tensors()));
}

/** The tensors of a model's weights, to be written; those that are not packed as `format`. */
export function weightSources(
  config: ModelConfig,
  {
    params,
    quantized,
    format,
  }: Pick<ModelWeights, "params" | "quantized"> & { format: NumberFormat },
): TensorSource[] {
  if (quantized.size === 0) return storedSources(config, { params, format });
  return paramSpecs(config).flatMap(({ name, shape }) => {
    const matrix = quantized.get(name);
    if (matrix === undefined) {
      const numbers = (): Float32Array => params[name]!.data as Float32Array;
      return [numberSource(name, shape, { numbers, format })];
    }
    const specs = packedSpecs(name, matrix.shape, matrix.bits);
    const scales = new Uint16Array(matrix.scales.length);
    encodeBf16Array(matrix.scales, scales);
    return [
      tensorSource(specs.codes, matrix.codes),
      tensorSource(specs.scales, scales),
      tensorSource(specs.shape, BigInt64Array.from(matrix.shape, BigInt)),
    ];
  });
}
