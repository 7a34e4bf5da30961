/** A file that a command writes for its user: whole, or not at all, and never over one that is there. Knows no contents. */
import { existsSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import { writeFailure } from "../checkpoint/node/index.ts";
import { InvalidConfigError } from "../errors.ts";

/** For what takes minutes to make, or is written elsewhere. */
export function refuseTaken(path: string): void {
  if (existsSync(path)) throw new InvalidConfigError(`${path} exists; give --out another name`);
}

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
