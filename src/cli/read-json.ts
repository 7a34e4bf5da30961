/** A JSON file that the user named, or a sentence about it. Knows nothing of what it should hold. */
import { FormatError } from "../errors.ts";
import { readText } from "./read-text.ts";

export async function readJson(file: string): Promise<unknown> {
  const text = await readText(file);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new FormatError(`${file}: expected JSON; ${(cause as Error).message}`, { cause });
  }
}
