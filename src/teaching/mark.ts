/** Tells models apart for which vectors were found. */
import type { LanguageModel } from "../inference/index.ts";
import { crc32c } from "../numerics/index.ts";
import type { TensorData } from "../tensor/index.ts";

/** Numbers of each weight that `markOf` looks at. */
const MARKED = 256;

/** Tells these weights, in the form in which they are held, from others. Looks at some numbers of each of them. */
export function markOf({ params, quantized }: Pick<LanguageModel, "params" | "quantized">): string {
  let mark = 0;
  const look = (name: string, data: TensorData): void => {
    const step = Math.max(1, Math.floor(data.length / MARKED));
    const seen = new Float64Array(Math.ceil(data.length / step));
    for (let i = 0; i < seen.length; i++) seen[i] = data[i * step]!;
    const parts = [
      new TextEncoder().encode(`${mark} ${name} ${data.length}`),
      new Uint8Array(seen.buffer),
    ];
    for (const part of parts) mark = crc32c(part) ^ Math.imul(mark, 31);
  };
  for (const [name, { data }] of Object.entries(params)) look(name, data);
  for (const [name, { codes, scales }] of quantized ?? []) {
    look(name, codes);
    look(name, scales);
  }
  return (mark >>> 0).toString(16).padStart(8, "0");
}
