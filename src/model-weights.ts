/**
 * Which form a model's weights have in files, and in which they are read: as numbers (`stored-weights.ts`), or packed
 * (`packed-weights.ts`). Weights that are not finite are refused by name and index. Not tables, tokenizers or engines.
 */
import {
  checkTensor,
  type KeepArrays,
  type LocatedTensor,
  type ModelFiles,
} from "./checkpoint/index.ts";
import { InvalidConfigError } from "./errors.ts";
import {
  aloneStored,
  bitsOf,
  isQuantizable,
  type ModelConfig,
  packingAtRest,
  paramLayout,
  paramSpecs,
  paramViews,
  parseQuantization,
  type StoredTensor,
  storedTensors,
  type WeightDtype,
} from "./model/index.ts";
import { type GgmlBlockType, isBlockType, QUANTIZED_BLOCK } from "./numerics/index.ts";
import type { ModelWeights } from "./packed-weights.ts";
import { findStored, type NumberFormat, numberFormatOf, readStored } from "./stored-weights.ts";
import { sizeOf } from "./tensor/index.ts";

/** What a model that has none does without. */
const packing = (): Promise<typeof import("./packed-weights.ts")> => import("./packed-weights.ts");

/** How weights are held: all in one form, or each as it rests where that can be multiplied (blocks of GGUF files). */
export type HeldDtype = WeightDtype | "as-stored";

/**
 * The form in which the weights of `files` will be held. Packed weights may be unpacked to the numbers that they stand
 * for; another packing is refused.
 */
export function dtypeToHold(
  files: ModelFiles,
  tensors: WeightsToRead["tensors"],
  wanted: WeightDtype | undefined,
): HeldDtype {
  const blocks = blockTypeOf(tensors);
  const stored = parseQuantization(files.config);
  if (blocks === undefined && stored === "f32") return wanted ?? "f32";
  if (wanted === "f32") return wanted;
  if (wanted === undefined || (blocks === undefined && wanted === stored))
    return blocks === undefined ? stored : "as-stored";
  throw new InvalidConfigError(
    `${files.path} holds its weights as ${blocks ?? stored}, which cannot be turned into ${wanted} without a second ` +
      "loss: open it as it is, as f32, or start from the model that it was made from",
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
    const packed =
      dtype === "as-stored"
        ? packingAtRest(spec, tensors.get(spec.name)?.dtype)
        : { bits: bitsOf(dtype), hasOffsets: false };
    if (packed?.bits === undefined || !isQuantizable(spec)) return sum + 4 * size;
    const blocks = size / QUANTIZED_BLOCK;
    return sum + (size * packed.bits) / 8 + (packed.hasOffsets ? 8 : 4) * blocks;
  }, 0);
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
export async function checkWeights(
  files: ModelFiles,
  { config, tensors }: WeightsToRead,
): Promise<LocatedTensor[]> {
  const bits = bitsOf(parseQuantization(files.config));
  const found = findStored(files.path, numberTensors(files, config), tensors);
  const packed = bits === undefined ? [] : (await packing()).packedTensors(config, bits);
  return [
    ...found.flatMap((one) => one.found),
    ...packed.map(({ dtype, ...part }) =>
      checkTensor(files.path, tensors.get(part.name), { ...part, dtypes: [dtype] }),
    ),
  ];
}

export interface ReadWeightsOptions {
  readonly dtype: HeldDtype;
  /** Keeps what was packed. Default: it is packed each time. */
  readonly keepPacked?: KeepArrays | undefined;
  /** Called with the memory of unpacked weights before it is written. */
  readonly advise?: ((buffer: ArrayBufferLike) => void) | undefined;
}

/** The tensors are there, of these types and shapes (`checkModel`). */
export async function readWeights(
  files: ModelFiles,
  { config, tensors }: WeightsToRead,
  { dtype, keepPacked, advise }: ReadWeightsOptions,
): Promise<ModelWeights> {
  const found = findStored(files.path, numberTensors(files, config), tensors);
  const stored = bitsOf(parseQuantization(files.config));
  if (dtype === "f32") {
    const layout = paramLayout(config);
    const numbers = new Float32Array(layout.length);
    advise?.(numbers.buffer);
    const params = paramViews(layout, numbers);
    for (const one of found)
      await readStored(files, one, ({ name }) => params[name]!.data as Float32Array);
    if (stored !== undefined)
      await (await packing()).readUnpacked(files, { config, bits: stored, into: params });
    return { params, quantized: new Map() };
  }
  const { joinWeights, readAndPack, readPacked } = await packing();
  const bits = dtype === "as-stored" ? undefined : bitsOf(dtype);
  const read = async (): Promise<ModelWeights> => {
    const packed = await readAndPack(files, found, bits);
    const quantized =
      stored === undefined ? packed.quantized : await readPacked(files, config, stored);
    return { ...packed, quantized: joinWeights(config, quantized) };
  };
  // What rests packed here is only read.
  if (keepPacked === undefined || stored !== undefined) return read();
  // Not those of tables, which a model may be opened without.
  const names = new Set(found.flatMap((one) => one.found.map(({ file }) => file)));
  const { keptWeights } = await import("./kept-weights.ts");
  const paths = [...names].toSorted().map((name) => files.source.nameOf(name));
  const said = [dtype, files.config];
  return keptWeights({ config, keep: keepPacked, files: paths, said }, read);
}

/** How the weights of `files` that are not packed are stored. */
export async function storedFormat(files: ModelFiles, config: ModelConfig): Promise<NumberFormat> {
  const layout = numberTensors(files, config);
  return numberFormatOf(findStored(files.path, layout, await files.tensors()));
}
