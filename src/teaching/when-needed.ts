/** What writes vectors, whose code is loaded with the first fact that gets one. */
import type { VectorWriter } from "./vector-writer.ts";

export async function vectorWriter(
  ...of: ConstructorParameters<typeof VectorWriter>
): Promise<VectorWriter> {
  return new (await import("./vector-writer.ts")).VectorWriter(...of);
}
