/**
 * A tokenizer from a file that the user named: tokenizer.json, or .tiktoken ranks and the special
 * tokens beside them. Knows file names; the formats are `tokenizer`'s.
 */
import { readTextFile } from "../checkpoint/node/index.ts";
import { FormatError, InvalidConfigError } from "../errors.ts";
import { parseSpecialTokens, parseTiktoken, type Tokenizer } from "../tokenizer/index.ts";
import { openTokenizerFile } from "../tokenizer/node/index.ts";

/** `special` is the file of a .tiktoken file's special tokens: {"<text>": id, ...}. */
export async function loadTokenizer(file: string, special?: string): Promise<Tokenizer> {
  if (file.endsWith(".tiktoken")) {
    const specialTokens =
      special === undefined
        ? new Map<string, number>()
        : await parseFile(special, parseSpecialTokens);
    return parseFile(file, (text) => parseTiktoken(text, { specialTokens }));
  }
  if (special !== undefined)
    throw new InvalidConfigError(
      `${file} contains its special tokens; --special is for .tiktoken files only`,
    );
  return parseFile(file, (text) => openTokenizerFile(text));
}

/** Parses a file's text, and adds the file's name to errors. */
async function parseFile<T>(file: string, parse: (text: string) => T | Promise<T>): Promise<T> {
  const text = await readTextFile(file);
  try {
    return await parse(text);
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new FormatError(`${file}: ${cause.message}`, { cause });
  }
}
