/**
 * Small files of text and JSON, as models have them, whole or not at all: UTF-8 or refused, a byte order mark at the
 * beginning is not part of the text, and in JSON no name is given twice. Knows nothing of what the files hold.
 */
import { FormatError } from "../errors.ts";
import { refuseForeign } from "../foreign-file.ts";
import { checkJsonNames } from "../json-names.ts";
import { checkBytes, type ExpectedFile } from "./sums.ts";

/** The largest vocabularies in use take some 35 MB. */
export const MAX_TEXT_BYTES: number = 2 ** 28;

/** Throws `FormatError`, which begins with `file`, for what is no text, or not as `expected` says. */
export function decodeText(file: string, bytes: Uint8Array, expected?: ExpectedFile): string {
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

/** As `decodeText`, for what is no JSON, too. */
export function decodeJson(file: string, bytes: Uint8Array, expected?: ExpectedFile): unknown {
  const text = decodeText(file, bytes, expected);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FormatError(`${file} is not JSON: ${(cause as Error).message}`, { cause });
  }
  checkJsonNames(text, file);
  return value;
}
