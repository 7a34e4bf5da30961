/** A file that a command writes for its user: whole, or not at all, and never over one that is there. Knows no contents. */
import { open, rm } from "node:fs/promises";
import { writeFailure } from "../checkpoint/node/index.ts";
import { InvalidConfigError } from "../errors.ts";

export async function writeNewFile(path: string, text: string): Promise<void> {
  const file = await open(path, "wx").catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw new InvalidConfigError(`${path} exists; give another name`);
  });
  try {
    await file.writeFile(text);
  } catch (error) {
    await rm(path, { force: true });
    throw writeFailure(error, path);
  } finally {
    await file.close();
  }
}
