/**
 * Small files of text and JSON, as models have them, whole or not at all: UTF-8 or refused, a byte order mark at the
 * beginning is not part of the text, and in JSON no name is given twice. Knows nothing of what the files hold.
 */
import { open } from "node:fs/promises";
import { FormatError } from "../../errors.ts";
import { refuseForeign } from "../../foreign-file.ts";
import { checkJsonNames } from "../json-names.ts";
import { checkBytes, type ExpectedFile } from "./checked-file.ts";

/** The largest vocabularies in use take some 35 MB. */
const MAX_BYTES = 2 ** 28;

/**
 * Throws `FormatError` for what is no text, or not as `expected` says; the system's error for what cannot be read.
 */
export async function readTextFile(file: string, expected?: ExpectedFile): Promise<string> {
  const bytes = await readBytes(file);
  refuseForeign(file, bytes, "UTF-8 text");
  if (expected !== undefined) checkBytes(file, bytes, expected);
  try {
    // Decoders take the mark away.
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new FormatError(
      `${file} is not UTF-8 text; convert it (iconv -t utf-8), or fetch it again`,
      { cause },
    );
  }
}

export async function readJsonFile(file: string, expected?: ExpectedFile): Promise<unknown> {
  const text = await readTextFile(file, expected);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FormatError(`${file} is not JSON: ${(cause as Error).message}`, { cause });
  }
  checkJsonNames(text, file);
  return value;
}

async function readBytes(file: string): Promise<Uint8Array> {
  try {
    await using handle = await open(file, "r");
    const chunks: Uint8Array[] = [];
    let size = 0;
    // What the system says of a file's size need not be true: pipes and devices have none.
    for await (const chunk of handle.createReadStream({ highWaterMark: 2 ** 20 })) {
      size += (chunk as Uint8Array).length;
      if (size > MAX_BYTES)
        throw new FormatError(
          `${file} is longer than ${MAX_BYTES} bytes; expected a file of settings`,
        );
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
