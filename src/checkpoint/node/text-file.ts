/** Small files of text and JSON by their paths (`checkpoint/text.ts`). Those "inside" lie in a directory that somebody else may have made. */
import { readAtMost } from "../../bytes/index.ts";
import { openPlain, readBytes } from "../../bytes/node/index.ts";
import { FormatError } from "../../errors.ts";
import { decodeJson, decodeText, MAX_TEXT_BYTES } from "../text.ts";

const CHUNK_BYTES = 2 ** 20;

/** Throws `FormatError` for what is no text; the system's error for what cannot be read. A pipe is read up to its end. */
export async function readTextFile(
  file: string,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<string> {
  const parts = readBytes(file, { chunkBytes: CHUNK_BYTES, signal });
  return decodeText(file, await bytesOf(file, { most: MAX_TEXT_BYTES, parts }));
}

/** As `readTextFile`, but throws `FormatError` for a pipe or a device. */
export async function readTextInside(file: string): Promise<string> {
  return decodeText(file, await readInside(file, MAX_TEXT_BYTES));
}

export async function readJsonFile(file: string): Promise<unknown> {
  const parts = readBytes(file, { chunkBytes: CHUNK_BYTES });
  return decodeJson(file, await bytesOf(file, { most: MAX_TEXT_BYTES, parts }));
}

/** As `readJsonFile`, but throws `FormatError` for a pipe or a device. */
export async function readJsonInside(file: string): Promise<unknown> {
  return decodeJson(file, await readInside(file, MAX_TEXT_BYTES));
}

/** All bytes of a file; throws `FormatError` where it has more than `most`, and for a pipe or a device. */
export async function readInside(file: string, most: number): Promise<Uint8Array> {
  await using handle = (await openPlain(file)).file;
  const parts = handle.createReadStream({ highWaterMark: CHUNK_BYTES });
  return await bytesOf(file, { most, parts });
}

/** What the system says of a file's size need not be true, so it is read until its end. */
async function bytesOf(
  file: string,
  { most, parts }: { most: number; parts: AsyncIterable<Uint8Array> },
): Promise<Uint8Array> {
  try {
    return await readAtMost(most, { where: file, parts });
  } catch (error) {
    // Reading a directory fails without saying which; the report needs the path.
    if (error instanceof Error && "code" in error && !(error instanceof FormatError))
      (error as NodeJS.ErrnoException).path ??= file;
    throw error;
  }
}
