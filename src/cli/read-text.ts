/** A text file that the user named. Knows nothing of what it should hold. */
import { readFile } from "node:fs/promises";
import { refuseForeign } from "../foreign-file.ts";

export async function readText(file: string): Promise<string> {
  try {
    const bytes = await readFile(file);
    refuseForeign(file, bytes, "UTF-8 text");
    return bytes.toString("utf8");
  } catch (error) {
    // Reading a directory fails without saying which; the report needs the path.
    if (error instanceof Error) (error as NodeJS.ErrnoException).path ??= file;
    throw error;
  }
}
