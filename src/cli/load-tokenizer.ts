/**
 * A tokenizer from a file that the user named. Knows file names; the formats are `tokenizer`'s.
 */
import { FormatError } from "../errors.ts";
import { parseTokenizerJson, type Tokenizer } from "../tokenizer/index.ts";
import { readText } from "./read-text.ts";

export async function loadTokenizer(file: string): Promise<Tokenizer> {
  const text = await readText(file);
  try {
    return parseTokenizerJson(text);
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new FormatError(`${file}: ${cause.message}`, { cause });
  }
}
