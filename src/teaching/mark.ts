/** Tells models apart for which vectors were found. */
import type { LanguageModel } from "../inference/index.ts";
import { isInBlocks, paramSpecs, placeOf } from "../model/index.ts";
import { crc32c } from "../numerics/index.ts";
import type { TensorData } from "../tensor/index.ts";

/** Numbers of each weight that `markOf` looks at. */
const MARKED = 256;

/**
 * Tells these weights, in the form in which they are held, from others. Looks at some numbers of each of them. The
 * order in which an engine wants them makes no difference.
 */
export function markOf({
  config,
  params,
  quantized,
  rowBlock,
}: Pick<LanguageModel, "config" | "params" | "quantized" | "rowBlock">): string {
  let mark = 0;
  const look = (name: string, data: TensorData, place = (i: number): number => i): void => {
    const step = Math.max(1, Math.floor(data.length / MARKED));
    const seen = new Float64Array(Math.ceil(data.length / step));
    for (let i = 0; i < seen.length; i++) seen[i] = data[place(i * step)]!;
    const parts = [
      new TextEncoder().encode(`${mark} ${name} ${data.length}`),
      new Uint8Array(seen.buffer),
    ];
    for (const part of parts) mark = crc32c(part) ^ Math.imul(mark, 31);
  };
  const specs = new Map(paramSpecs(config).map((spec) => [spec.name, spec]));
  for (const [name, { data }] of Object.entries(params)) {
    const spec = specs.get(name);
    const isBlocked = spec !== undefined && isInBlocks(spec, rowBlock);
    look(name, data, isBlocked ? (i) => placeOf(i, spec.shape[1]!, rowBlock!) : undefined);
  }
  for (const [name, { codes, scales }] of quantized ?? []) {
    look(name, codes);
    look(name, scales);
  }
  return (mark >>> 0).toString(16).padStart(8, "0");
}
