/** Small files of text and JSON by their paths (`checkpoint/text.ts`). */
import { open } from "node:fs/promises";
import { FormatError } from "../../errors.ts";
import { decodeJson, decodeText, MAX_TEXT_BYTES } from "../text.ts";

/** Throws `FormatError` for what is no text; the system's error for what cannot be read. */
export async function readTextFile(file: string): Promise<string> {
  return decodeText(file, await readSmallFile(file, MAX_TEXT_BYTES));
}

export async function readJsonFile(file: string): Promise<unknown> {
  return decodeJson(file, await readSmallFile(file, MAX_TEXT_BYTES));
}

/** All bytes of a file; throws `FormatError` where it has more than `most`. */
export async function readSmallFile(file: string, most: number): Promise<Uint8Array> {
  try {
    await using handle = await open(file, "r");
    const chunks: Uint8Array[] = [];
    let size = 0;
    // What the system says of a file's size need not be true: pipes and devices have none.
    for await (const chunk of handle.createReadStream({ highWaterMark: 2 ** 20 })) {
      size += (chunk as Uint8Array).length;
      if (size > most)
        throw new FormatError(`${file} is longer than ${most} bytes; expected a file of settings`);
      chunks.push(chunk as Uint8Array);
    }
    return Buffer.concat(chunks, size);
  } catch (error) {
    // Reading a directory fails without saying which; the report needs the path.
    if (error instanceof Error && "code" in error && !(error instanceof FormatError))
      (error as NodeJS.ErrnoException).path ??= file;
    throw error;
  }
}
