/**
 * Lays packed matrices that read the same activations one behind the other in memory (q, k and v; gate and up), so that
 * an engine may multiply them as one larger matrix. Moves bytes and changes none. Knows the order of weights; not engines.
 */
import type { ModelConfig } from "./config.ts";
import { isInLayer, paramSpecs } from "./params.ts";
import type { QuantizedMatrix, QuantizedWeights } from "./weights.ts";

/** The same matrices. Those of `quantized` are not needed any more: each entry is replaced as soon as it was moved. */
export function joinWeights(config: ModelConfig, quantized: QuantizedWeights): QuantizedWeights {
  const joined = new Map(quantized);
  let run: string[] = [];
  for (const { name } of [...paramSpecs(config), { name: "" }]) {
    const [last, next] = [joined.get(run.at(-1) ?? ""), joined.get(name)];
    const continues =
      last !== undefined &&
      next !== undefined &&
      last.shape[1] === next.shape[1] &&
      last.bits === next.bits &&
      (last.offsets === undefined) === (next.offsets === undefined);
    // Gains stand between matrices that belong together, and are not packed.
    if (next === undefined && isInLayer(name)) continue;
    if (!continues) {
      joinRun(joined, run);
      run = [];
    }
    if (next !== undefined && isInLayer(name)) run.push(name);
  }
  joinRun(joined, run);
  return joined;
}

function joinRun(matrices: Map<string, QuantizedMatrix>, names: readonly string[]): void {
  if (names.length < 2) return;
  const all = names.map((name) => matrices.get(name)!);
  const sum = (of: (matrix: QuantizedMatrix) => number): number =>
    all.reduce((n, matrix) => n + of(matrix), 0);
  const codes = new Uint8Array(sum((one) => one.codes.length));
  const scales = new Float32Array(sum((one) => one.scales.length));
  const offsets = all[0]!.offsets && new Float32Array(scales.length);
  let [code, scale] = [0, 0];
  for (const [i, one] of all.entries()) {
    codes.set(one.codes, code);
    scales.set(one.scales, scale);
    if (one.offsets !== undefined) offsets!.set(one.offsets, scale);
    const [codeEnd, scaleEnd] = [code + one.codes.length, scale + one.scales.length];
    matrices.set(names[i]!, {
      ...one,
      codes: codes.subarray(code, codeEnd),
      scales: scales.subarray(scale, scaleEnd),
      ...(offsets && { offsets: offsets.subarray(scale, scaleEnd) }),
    });
    [code, scale] = [codeEnd, scaleEnd];
  }
}
