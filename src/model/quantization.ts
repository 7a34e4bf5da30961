/**
 * Names of packed weight formats, and the key `quantization_config` of config.json. It follows the format
 * "pack-quantized" of compressed-tensors, which vLLM and Transformers read. Knows no weights.
 */
import { InvalidConfigError } from "../errors.ts";
import { recordOf } from "../json-values.ts";
import { QUANTIZED_BLOCK, type QuantizedBits } from "../numerics/index.ts";
import { checkKeys, type Json } from "./families/closed.ts";

/** How weights are held: unpacked, or packed to 8 or 4 bits. */
export type WeightDtype = "f32" | "q8" | "q4";

export const WEIGHT_DTYPES: readonly WeightDtype[] = ["f32", "q8", "q4"];

/** Bits of a packed format; undefined for f32. */
export function bitsOf(dtype: WeightDtype): QuantizedBits | undefined {
  return dtype === "f32" ? undefined : dtype === "q8" ? 8 : 4;
}

const weightsKey = (bits: QuantizedBits): Json => ({
  num_bits: bits,
  type: "int",
  symmetric: true,
  strategy: "group",
  group_size: QUANTIZED_BLOCK,
});

/** The value of `quantization_config` for weights of `dtype`. */
export function quantizationToJson(dtype: Exclude<WeightDtype, "f32">): Json {
  return {
    quant_method: "compressed-tensors",
    format: "pack-quantized",
    quantization_status: "compressed",
    config_groups: {
      group_0: {
        targets: ["Linear", "Embedding"],
        weights: weightsKey(bitsOf(dtype)!),
        input_activations: null,
        output_activations: null,
      },
    },
    ignore: [],
  };
}

/** Keys of later versions of the format, with the values that mean the feature is not used. */
const absentParts = {
  kv_cache_scheme: [null],
  sparsity_config: [null, {}],
  transform_config: [null, {}],
};
const absentRefinements = {
  actorder: [null],
  block_structure: [null],
  dynamic: [false],
  zp_dtype: [null],
  scale_dtype: [null],
};

/**
 * How the weights of a model with this config.json are stored. Refuses every packing except the one written here, and
 * every key that could mean another.
 */
export function parseQuantization(config: Json): WeightDtype {
  const given = config["quantization_config"];
  if (given === undefined || given === null) return "f32";
  const groups = Object.values(recordOf(recordOf(given)["config_groups"]));
  const weights = recordOf(recordOf(groups[0])["weights"]);
  const bits = weights["num_bits"];
  const dtype = bits === 8 ? "q8" : bits === 4 ? "q4" : undefined;
  const { quant_method: method, format } = recordOf(given);
  const isKnown =
    dtype !== undefined &&
    method === "compressed-tensors" &&
    format === "pack-quantized" &&
    groups.length === 1 &&
    Object.entries(weightsKey(bitsOf(dtype)!)).every(([key, value]) => weights[key] === value);
  if (!isKnown)
    throw new InvalidConfigError(
      'config.json: "quantization_config" should be compressed-tensors, pack-quantized, one group of ' +
        `symmetric integers of 4 or 8 bits in groups of ${QUANTIZED_BLOCK}, as engram quantize writes it; ` +
        `got ${JSON.stringify(given).slice(0, 300)}`,
    );
  const where = 'config.json, "quantization_config"';
  checkKeys(
    recordOf(given),
    {
      read: ["quant_method", "format", "config_groups"],
      fixed: { quantization_status: ["compressed"], ignore: [[]], ...absentParts },
      neutral: { version: "who wrote it", global_compression_ratio: "of size alone" },
    },
    where,
  );
  checkKeys(
    recordOf(groups[0]),
    {
      read: ["weights"],
      fixed: {
        // The files themselves show which tensors are packed. One that should be packed and is not counts as missing.
        targets: [["Linear", "Embedding"]],
        format: [null, "pack-quantized"],
        input_activations: [null],
        output_activations: [null],
      },
      neutral: {},
    },
    where,
  );
  checkKeys(
    weights,
    {
      read: Object.keys(weightsKey(bitsOf(dtype)!)),
      fixed: absentRefinements,
      neutral: { observer: "how scales were found", observer_kwargs: "how scales were found" },
    },
    where,
  );
  return dtype;
}
