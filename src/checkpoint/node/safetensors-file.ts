/**
 * safetensors files by their paths: opened, and written. Writing streams: no tensor needs to be in memory whole. Does
 * not know what tensors mean, nor convert elements: bytes in, bytes out.
 */
import type { FileHandle } from "node:fs/promises";
import { writeAt, writeDurably, writeSparse } from "../../bytes/node/index.ts";
import { InvariantError } from "../../errors.ts";
import { formatSpec, layoutFile, type SafetensorsHeader, type TensorSpan } from "../safetensors.ts";
import { SafetensorsFile, type TensorSource } from "../safetensors-file.ts";
import { openPath } from "./open-path.ts";
import { writeFailure } from "./write-failure.ts";

/** See `SafetensorsFile.open`. Throws the system's error where there is no such file. */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  return SafetensorsFile.open(await openPath(path));
}

/**
 * Writes tensors to `path`: to `path.tmp` first, forced to disk, then renamed, so that `path` is
 * either what it was or complete. Blocks of zeros become holes, which take no disk (a table whose
 * rows are mostly untouched). Throws `StoreError` when the disk is full; `path` is then as before.
 */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorSource[],
  metadata: Readonly<Record<string, string>> = {},
): Promise<SafetensorsHeader> {
  const { bytes, header } = layoutFile(tensors, metadata);
  const byName = new Map(tensors.map((t) => [t.name, t]));
  try {
    await writeDurably(path, async (file) => {
      await writeAt(file, bytes, 0);
      for (const span of header.tensors.values()) await writeTensor(file, span, byName);
      // Gives the file its length if it ends in a hole.
      await file.truncate(header.fileBytes);
    });
  } catch (error) {
    throw writeFailure(error, path);
  }
  return header;
}

async function writeTensor(
  file: FileHandle,
  span: TensorSpan,
  sources: ReadonlyMap<string, TensorSource>,
): Promise<void> {
  let at = span.begin;
  for await (const chunk of sources.get(span.name)!.chunks()) {
    at = at + chunk.length > span.end ? Infinity : at + chunk.length;
    if (at === Infinity) break;
    await writeSparse(file, chunk, at - chunk.length);
  }
  if (at !== span.end)
    throw new InvariantError(
      `tensor "${span.name}" (${formatSpec(span)}) needs ${span.end - span.begin} bytes, its source gave ${at < span.end ? at - span.begin : "more"}`,
    );
}
