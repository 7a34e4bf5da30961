/** A text file that the user named. Knows nothing of what it should hold. */
import { readFile } from "node:fs/promises";

export async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    // Reading a directory fails without saying which; the report needs the path.
    if (error instanceof Error) (error as NodeJS.ErrnoException).path ??= file;
    throw error;
  }
}
