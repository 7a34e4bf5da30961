/** A model that is changed on purpose, to see what else finds it: without the sums that find every change. */
import { rm } from "node:fs/promises";
import { join } from "node:path";

export async function removeSums(directory: string): Promise<void> {
  await rm(join(directory, "manifest.json"), { force: true });
}
