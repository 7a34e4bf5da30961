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
  QUANTIZED_BLOCK,
  type QuantizedBits,
} from "./numerics/index.ts";
import {
  checkFinite,
  findStored,
  type NumberFormat,
  numberFormatOf,
  numberSource,
  readStored,
  storedSources,
} from "./stored-weights.ts";
import { sizeOf, type Value, type Values, valueOf } from "./tensor/index.ts";

export interface ModelWeights {
  readonly dtype: WeightDtype;
  readonly params: Values;
  readonly quantized: QuantizedWeights;
}

/**
 * The form in which the weights of `files` will be held. `wanted` is refused if they are stored in another packing.
 */
export function dtypeToHold(files: ModelFiles, wanted: WeightDtype | undefined): WeightDtype {
  const stored = parseQuantization(files.config);
  if (stored === "f32") return wanted ?? "f32";
  if (wanted === undefined || wanted === stored) return stored;
  throw new InvalidConfigError(
    `${files.path} holds its weights as ${stored}, which cannot be turned into ${wanted}: ` +
      "open it as it is, or start from the model that it was made from",
  );
}

/** Bytes that the weights of a model take in memory. */
export function weightBytes(config: ModelConfig, dtype: WeightDtype): number {
  const bits = bitsOf(dtype);
  return paramSpecs(config).reduce((sum, spec) => {
    const size = sizeOf(spec.shape);
    const isPacked = bits !== undefined && isQuantizable(spec);
    return sum + (isPacked ? (size * bits) / 8 + (4 * size) / QUANTIZED_BLOCK : 4 * size);
  }, 0);
}

/** The tensors of weights that rest as numbers in a model that is stored in this form. */
function numberTensors(config: ModelConfig, stored: WeightDtype): StoredTensor[] {
  if (stored === "f32") return storedTensors(config);
  // What was packed here rests under the names used here, whatever its family.
  return paramSpecs(config)
    .filter((spec) => !isQuantizable(spec))
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
  const found = findStored(files.path, numberTensors(config, stored), tensors);
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
  dtype: WeightDtype,
): Promise<ModelWeights> {
  const stored = parseQuantization(files.config);
  const bits = bitsOf(dtype);
  const found = findStored(files.path, numberTensors(config, stored), tensors);
  if (bits === undefined) {
    const layout = paramLayout(config);
    const params = paramViews(layout, new Float32Array(layout.length));
    for (const one of found)
      await readStored(files, one, ({ name }) => params[name]!.data as Float32Array);
    return { dtype, params, quantized: new Map() };
  }
  const params: Record<string, Value> = {};
  const quantized = new Map<string, QuantizedMatrix>();
  for (const one of found) {
    const values = one.stored.parts.map(({ spec }) =>
      valueOf(new Float32Array(sizeOf(spec.shape)), spec.shape),
    );
    const specs = one.stored.parts.map(({ spec }) => spec);
    await readStored(files, one, (spec) => values[specs.indexOf(spec)]!.data as Float32Array);
    for (const [i, spec] of specs.entries())
      if (isQuantizable(spec)) quantized.set(spec.name, quantizeMatrix(values[i]!, bits));
      else params[spec.name] = values[i]!;
  }
  if (stored !== "f32")
    for (const spec of paramSpecs(config).filter(isQuantizable))
      quantized.set(spec.name, await readPacked(files, spec, bits));
  return { dtype, params, quantized };
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
  const layout = numberTensors(config, parseQuantization(files.config));
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
