/**
 * Packed weights <-> arrays that are kept from one start to the next. Knows names and sizes; not where arrays are kept, nor
 * how weights are packed.
 */
import type { Arrays, KeepArrays } from "./checkpoint/index.ts";
import { InvariantError } from "./errors.ts";
import {
  bitsOf,
  type ModelConfig,
  paramSpecs,
  type QuantizedMatrix,
  type WeightDtype,
} from "./model/index.ts";
import { QUANTIZED_BLOCK } from "./numerics/index.ts";
import type { ModelWeights } from "./packed-weights.ts";
import { sizeOf, type Value, valueOf } from "./tensor/index.ts";

/** To be raised when the same files are packed to other bytes (kept-weights.test.ts). */
export const PACKED_FORMAT = 1;

export interface KeptWeights {
  readonly config: ModelConfig;
  readonly keep: KeepArrays;
  /** What is packed, and what decides how. */
  readonly files: readonly string[];
  readonly said: readonly unknown[];
}

/** The weights as `read` gives them, or gave them before. */
export async function keptWeights(
  { config, keep, files, said }: KeptWeights,
  read: () => Promise<ModelWeights>,
): Promise<ModelWeights> {
  const of = { files, said: [PACKED_FORMAT, ...said] };
  return weightsOf(config, await keep(of, async () => arraysOf(await read())));
}

function arraysOf({ params, quantized }: ModelWeights): Arrays {
  const arrays = new Map<string, Uint8Array | Float32Array>();
  for (const [name, { data }] of Object.entries(params)) arrays.set(name, data as Float32Array);
  for (const [name, { bits, codes, scales, offsets }] of quantized) {
    arrays.set(codesName(name, `q${bits}`), codes);
    arrays.set(`${name} scales`, scales);
    if (offsets !== undefined) arrays.set(`${name} offsets`, offsets);
  }
  return arrays;
}

const codesName = (name: string, dtype: WeightDtype): string => `${name} ${dtype}`;

function weightsOf(config: ModelConfig, arrays: Arrays): ModelWeights {
  const params: Record<string, Value> = {};
  const quantized = new Map<string, QuantizedMatrix>();
  const find = (name: string, length: number): Uint8Array | Float32Array => {
    const found = arrays.get(name);
    if (found?.length === length) return found;
    throw new InvariantError(`kept weights have ${found?.length ?? 0} of ${length} of "${name}"`);
  };
  for (const { name, shape } of paramSpecs(config)) {
    const size = sizeOf(shape);
    const dtype = (["q4", "q8"] as const).find((one) => arrays.has(codesName(name, one)));
    if (dtype === undefined) {
      params[name] = valueOf(find(name, size) as Float32Array, shape);
      continue;
    }
    const bits = bitsOf(dtype)!;
    const factors = (of: string): Float32Array =>
      find(`${name} ${of}`, size / QUANTIZED_BLOCK) as Float32Array;
    quantized.set(name, {
      shape: shape as [number, number],
      bits,
      codes: find(codesName(name, dtype), (size * bits) / 8) as Uint8Array,
      scales: factors("scales"),
      ...(arrays.has(`${name} offsets`) && { offsets: factors("offsets") }),
    });
  }
  return { params, quantized };
}
