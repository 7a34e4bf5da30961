/**
 * Reads and writes weights that are packed, in files or in memory. Loaded with the first model that has some. At most
 * one matrix at a time is in memory twice. Knows how packed weights rest; not tables, tokenizers or engines.
 *
 * A packed matrix [M,K] called `X.weight` rests as three tensors, in the layout of compressed-tensors:
 *
 *   X.weight_packed  I32  [M, K*bits/32]  codes, unsigned, the first in the lowest bits
 *   X.weight_scale   BF16 [M, K/32]
 *   X.weight_shape   I64  [2]             M and K
 */
import { type ModelFiles, tensorSource, type TensorSource } from "./checkpoint/index.ts";
import { FormatError } from "./errors.ts";
import {
  dequantizeMatrix,
  isQuantizable,
  type ModelConfig,
  numbersByRows,
  packingAtRest,
  type ParamSpec,
  paramSpecs,
  type QuantizedMatrix,
  type QuantizedWeights,
  quantizeMatrix,
} from "./model/index.ts";
import {
  decodeBf16Array,
  encodeBf16Array,
  type GgmlBlockType,
  packGgmlBlocks,
  QUANTIZED_BLOCK,
  type QuantizedBits,
} from "./numerics/index.ts";
import { numberSource, storedSources } from "./stored-sources.ts";
import { checkFinite, type FoundTensor, type NumberFormat, readStored } from "./stored-weights.ts";
import { sizeOf, type Value, type Values, valueOf } from "./tensor/index.ts";

export { joinWeights } from "./model/index.ts";

export interface ModelWeights {
  readonly params: Values;
  readonly quantized: QuantizedWeights;
}

type PackedSpec = Pick<TensorSource, "name" | "dtype" | "shape">;

/** The tensors of a model's packed weights. */
export function packedTensors(config: ModelConfig, bits: QuantizedBits): PackedSpec[] {
  return paramSpecs(config)
    .filter(isQuantizable)
    .flatMap((spec) => Object.values(packedSpecs(spec, bits)));
}

/** Packs the numbers in `found` to `bits`; without `bits`, keeps the blocks in which they rest. */
export async function readAndPack(
  files: ModelFiles,
  found: readonly FoundTensor[],
  bits: QuantizedBits | undefined,
): Promise<ModelWeights> {
  const params: Record<string, Value> = {};
  const quantized = new Map<string, QuantizedMatrix>();
  for (const one of found) {
    const specs = one.stored.parts.map(({ spec }) => spec);
    const [first] = specs as [ParamSpec];
    const kept = bits === undefined ? packingAtRest(first, one.found[0]!.dtype) : undefined;
    if (kept !== undefined) {
      quantized.set(first.name, await keepBlocks(files, first, kept.type));
      continue;
    }
    const values = specs.map(({ shape }) => valueOf(new Float32Array(sizeOf(shape)), shape));
    await readStored(files, one, (spec) => values[specs.indexOf(spec)]!.data as Float32Array);
    for (const [i, spec] of specs.entries())
      if (bits !== undefined && isQuantizable(spec))
        quantized.set(spec.name, quantizeMatrix(values[i]!, bits));
      else params[spec.name] = values[i]!;
  }
  return { params, quantized };
}

/** The weights that rest packed. */
export async function readPacked(
  files: ModelFiles,
  config: ModelConfig,
  bits: QuantizedBits,
): Promise<QuantizedWeights> {
  const quantized = new Map<string, QuantizedMatrix>();
  for (const spec of paramSpecs(config).filter(isQuantizable))
    quantized.set(spec.name, await readMatrix(files, spec, bits));
  return quantized;
}

/** Writes the numbers that the packed weights stand for into those of `into`. */
export async function readUnpacked(
  files: ModelFiles,
  { config, bits, into }: { config: ModelConfig; bits: QuantizedBits; into: Values },
): Promise<void> {
  for (const spec of paramSpecs(config).filter(isQuantizable)) {
    const { data } = dequantizeMatrix(await readMatrix(files, spec, bits));
    into[spec.name]!.data.set(data);
  }
}

/** The tensors of a model's weights, to be written; those that are not packed as `format`. */
export function weightSources(
  config: ModelConfig,
  {
    params,
    quantized,
    format,
    rowBlock,
  }: ModelWeights & { format: NumberFormat; rowBlock?: number | undefined },
): TensorSource[] {
  if (quantized.size === 0) return storedSources(config, { params, format, rowBlock });
  return paramSpecs(config).flatMap((spec) => {
    const { name, shape } = spec;
    const matrix = quantized.get(name);
    if (matrix === undefined) {
      const numbers = (): Float32Array => numbersByRows(spec, params[name]!, rowBlock);
      return [numberSource(name, shape, { numbers, format })];
    }
    const specs = packedSpecs(spec, matrix.bits);
    const scales = new Uint16Array(matrix.scales.length);
    encodeBf16Array(matrix.scales, scales);
    return [
      tensorSource(specs.codes, matrix.codes),
      tensorSource(specs.scales, scales),
      tensorSource(specs.shape, BigInt64Array.from(matrix.shape, BigInt)),
    ];
  });
}

/** A matrix in the blocks in which it rests. */
async function keepBlocks(
  files: ModelFiles,
  { name, shape }: ParamSpec,
  type: GgmlBlockType,
): Promise<QuantizedMatrix> {
  const blocks = await packGgmlBlocks(type, await files.read(name), sizeOf(shape));
  const [rows, width] = shape as [number, number];
  for (const factors of [blocks.scales, blocks.offsets])
    if (factors !== undefined)
      checkFinite(files.path, { name, shape: [rows, width / QUANTIZED_BLOCK] }, factors);
  return { shape: [rows, width], ...blocks };
}

async function readMatrix(
  files: ModelFiles,
  spec: ParamSpec,
  bits: QuantizedBits,
): Promise<QuantizedMatrix> {
  const [rows, width] = spec.shape as [number, number];
  const specs = packedSpecs(spec, bits);
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

function packedSpecs(
  { name, shape }: ParamSpec,
  bits: QuantizedBits,
): Readonly<Record<"codes" | "scales" | "shape", PackedSpec>> {
  const [rows, width] = shape as [number, number];
  return {
    codes: { name: `${name}_packed`, dtype: "I32", shape: [rows, (width * bits) / 32] },
    scales: { name: `${name}_scale`, dtype: "BF16", shape: [rows, width / QUANTIZED_BLOCK] },
    shape: { name: `${name}_shape`, dtype: "I64", shape: [2] },
  };
}
