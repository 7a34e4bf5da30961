/** What is loaded with the first file that needs it: a page that opens others does without. */
import type { decodeGgmlBlocks as decode, packGgmlBlocks as pack } from "./ggml-blocks.ts";

export async function decodeGgmlBlocks(...of: Parameters<typeof decode>): Promise<void> {
  (await import("./ggml-blocks.ts")).decodeGgmlBlocks(...of);
}

export async function packGgmlBlocks(
  ...of: Parameters<typeof pack>
): Promise<ReturnType<typeof pack>> {
  return (await import("./ggml-blocks.ts")).packGgmlBlocks(...of);
}
