/** Small files of text and JSON by their paths (`checkpoint/text.ts`). */
import { open } from "node:fs/promises";
import { readAtMost } from "../../bytes/index.ts";
import { FormatError } from "../../errors.ts";
import { refuseSpecial } from "./open-path.ts";
import { decodeJson, decodeText, MAX_TEXT_BYTES } from "../text.ts";

/** Throws `FormatError` for what is no text; the system's error for what cannot be read. */
export async function readTextFile(file: string): Promise<string> {
  return decodeText(file, await readSmallFile(file, MAX_TEXT_BYTES));
}

/** As `readTextFile`, of a directory that somebody else may have made. Throws `FormatError` for a pipe or a device, too. */
export async function readTextInside(file: string): Promise<string> {
  await refuseSpecial(file);
  return readTextFile(file);
}

export async function readJsonFile(file: string): Promise<unknown> {
  return decodeJson(file, await readSmallFile(file, MAX_TEXT_BYTES));
}

/** All bytes of a file; throws `FormatError` where it has more than `most`. */
export async function readSmallFile(file: string, most: number): Promise<Uint8Array> {
  try {
    await using handle = await open(file, "r");
    // What the system says of a file's size need not be true: pipes and devices have none.
    const parts = handle.createReadStream({ highWaterMark: 2 ** 20 });
    return await readAtMost(most, { where: file, parts });
  } catch (error) {
    // Reading a directory fails without saying which; the report needs the path.
    if (error instanceof Error && "code" in error && !(error instanceof FormatError))
      (error as NodeJS.ErrnoException).path ??= file;
    throw error;
  }
}
