/** A model of unpacked weights with its matrices packed, side by side as a loaded model has them. Knows no files. */
import type { LanguageModel } from "../../src/inference/index.ts";
import {
  bitsOf,
  isQuantizable,
  joinWeights,
  paramSpecs,
  type QuantizedMatrix,
  quantizeMatrix,
  type WeightDtype,
} from "../../src/model/index.ts";

export function packedModel(f32: LanguageModel, dtype: WeightDtype): LanguageModel {
  const bits = bitsOf(dtype);
  if (bits === undefined) return f32;
  const params = { ...f32.params };
  const quantized = new Map<string, QuantizedMatrix>();
  for (const spec of paramSpecs(f32.config).filter(isQuantizable)) {
    quantized.set(spec.name, quantizeMatrix(params[spec.name]!, bits));
    delete params[spec.name];
  }
  return { ...f32, params, quantized: joinWeights(f32.config, quantized) };
}
