/**
 * safetensors files by their paths: opened, and written. Writing streams: no tensor needs to be in memory whole. Does
 * not know what tensors mean, nor convert elements: bytes in, bytes out.
 */
import type { FileHandle } from "node:fs/promises";
import { InvariantError } from "../../errors.ts";
import { formatSpec, layoutFile, type SafetensorsHeader, type TensorSpan } from "../safetensors.ts";
import { SafetensorsFile, type TensorSource } from "../safetensors-file.ts";
import { writeDurably } from "./durable.ts";
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
    if (at + chunk.length > span.end) at = Infinity;
    else at = await writeSparse(file, chunk, at);
    if (at === Infinity) break;
  }
  if (at !== span.end)
    throw new InvariantError(
      `tensor "${span.name}" (${formatSpec(span)}) needs ${span.end - span.begin} bytes, its source gave ${at < span.end ? at - span.begin : "more"}`,
    );
}

/** Zeros are looked for in blocks of this size; a hole smaller than a disk block gains nothing. */
const blockBytes = 1 << 16;
const zeroBlock: Uint8Array = new Uint8Array(blockBytes);

/** Writes `bytes` at `position`, leaving zero blocks unwritten. Returns the position after them. */
async function writeSparse(file: FileHandle, bytes: Uint8Array, position: number): Promise<number> {
  let from = 0;
  for (let begin = 0; begin < bytes.length; begin += blockBytes) {
    const end = Math.min(begin + blockBytes, bytes.length);
    if (end - begin < blockBytes || !isZero(bytes, begin)) continue;
    if (from < begin) await writeAt(file, bytes.subarray(from, begin), position + from);
    from = end;
  }
  if (from < bytes.length) await writeAt(file, bytes.subarray(from), position + from);
  return position + bytes.length;
}

function isZero(bytes: Uint8Array, begin: number): boolean {
  // Most blocks that are not zero show it at once; the rest is one memcmp.
  if (bytes[begin] !== 0) return false;
  return Buffer.compare(bytes.subarray(begin, begin + blockBytes), zeroBlock) === 0;
}

/** As `rangesOf` reads at most, for the same reasons. */
const maxTransfer = 1 << 28;

async function writeAt(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const length = Math.min(maxTransfer, bytes.length - done);
    const { bytesWritten } = await file.write(bytes, done, length, position + done);
    done += bytesWritten;
  }
}
