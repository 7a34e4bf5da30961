/**
 * Reads and writes a model's weights, as numbers or packed. At most one matrix at a time is in memory twice. Weights
 * that are not finite are refused by name and index. Knows the tensors' names and types; not tables, tokenizers or
 * engines.
 *
 * A packed matrix [M,K] called `X.weight` rests as three tensors, in the layout of compressed-tensors:
 *
 *   X.weight_packed  I32  [M, K*bits/32]  codes, unsigned, the first in the lowest bits
 *   X.weight_scale   BF16 [M, K/32]
 *   X.weight_shape   I64  [2]             M and K
 */
import {
  type ExpectedTensor,
  type FileDType,
  type ModelFiles,
  tensorSource,
  type TensorSource,
} from "./checkpoint/index.ts";
import { FormatError, InvalidConfigError, NonFiniteError } from "./errors.ts";
import {
  bitsOf,
  finalNormName,
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
  type WeightDtype,
} from "./model/index.ts";
import {
  decodeBf16Array,
  encodeBf16Array,
  firstNonFinite,
  QUANTIZED_BLOCK,
  type QuantizedBits,
} from "./numerics/index.ts";
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

/** The tensors of weights that are `stored` in this form. */
export function weightTensors(config: ModelConfig, stored: WeightDtype): ExpectedTensor[] {
  const bits = bitsOf(stored);
  return paramSpecs(config).flatMap((spec) => {
    const { name, shape } = spec;
    if (bits === undefined || !isQuantizable(spec)) return [{ name, dtypes: NUMBERS, shape }];
    const parts = Object.values(packedSpecs(name, shape as [number, number], bits));
    return parts.map(({ dtype, ...part }) => ({ ...part, dtypes: [dtype] }));
  });
}

const NUMBERS: readonly FileDType[] = ["F32", "BF16"];

/** The tensors are there, of these types and shapes (`checkModel`). */
export async function readWeights(
  files: ModelFiles,
  config: ModelConfig,
  dtype: WeightDtype,
): Promise<ModelWeights> {
  const bits = bitsOf(dtype);
  if (bits === undefined) {
    const layout = paramLayout(config);
    const params = paramViews(layout, new Float32Array(layout.length));
    for (const spec of layout.specs) await readNumbers(files, spec, params[spec.name]!);
    return { dtype, params, quantized: new Map() };
  }
  const isPacked = parseQuantization(files.config) !== "f32";
  const params: Record<string, Value> = {};
  const quantized = new Map<string, QuantizedMatrix>();
  for (const spec of paramSpecs(config)) {
    if (isPacked && isQuantizable(spec)) {
      quantized.set(spec.name, await readPacked(files, spec, bits));
      continue;
    }
    const value = valueOf(new Float32Array(sizeOf(spec.shape)), spec.shape);
    await readNumbers(files, spec, value);
    if (isQuantizable(spec)) quantized.set(spec.name, quantizeMatrix(value, bits));
    else params[spec.name] = value;
  }
  return { dtype, params, quantized };
}

async function readNumbers(
  files: ModelFiles,
  { name, shape }: ParamSpec,
  { data }: Value,
): Promise<void> {
  if ((await files.find(name))!.dtype === "F32") {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    await files.readRange(name, { begin: 0, end: bytes.length, into: bytes });
  } else {
    const bytes = await files.read(name);
    decodeBf16Array(new Uint16Array(bytes.buffer), data as Float32Array);
  }
  checkFinite(files, { name, shape }, data as Float32Array);
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
  checkFinite(files, specs.scales, scales);
  return { shape: [rows, width], bits, codes, scales };
}

/** Checked once at load, when the numbers are in the processor's caches anyway. */
function checkFinite(
  files: ModelFiles,
  { name, shape }: Pick<TensorSource, "name" | "shape">,
  values: Float32Array,
): void {
  const at = firstNonFinite(values);
  if (at === -1) return;
  const place: number[] = [];
  let rest = at;
  for (const side of shape.toReversed()) {
    place.unshift(rest % side);
    rest = Math.floor(rest / side);
  }
  throw new NonFiniteError(
    `${files.path}: "${name}" holds ${values[at]} at [${place.join(", ")}] of [${shape.join(", ")}]; ` +
      "the file is damaged, or training went on after its numbers had overflowed",
  );
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

/** How weights that are not packed are stored. */
export type NumberFormat = "f32" | "bf16";

/** How those of `files` are stored. */
export async function numberFormatOf(files: ModelFiles): Promise<NumberFormat> {
  return (await files.find(finalNormName))?.dtype === "BF16" ? "bf16" : "f32";
}

/** A weight as numbers, to be written. */
export function numberSource(
  { name, shape }: Pick<ParamSpec, "name" | "shape">,
  { values, format }: { values: Float32Array; format: NumberFormat },
): TensorSource {
  if (format === "f32") return tensorSource({ name, dtype: "F32", shape }, values);
  const codes = new Uint16Array(values.length);
  encodeBf16Array(values, codes);
  return tensorSource({ name, dtype: "BF16", shape }, codes);
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
  return paramSpecs(config).flatMap(({ name, shape }) => {
    const matrix = quantized.get(name);
    if (matrix === undefined) {
      const values = params[name]!.data as Float32Array;
      return [numberSource({ name, shape }, { values, format })];
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
