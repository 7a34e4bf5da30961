/**
 * Sums for a directory that was written or changed by others: a manifest of whatever files are there. Knows which
 * files belong to what is kept; not what they hold.
 */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { InvalidConfigError } from "../../errors.ts";
import { manifestName } from "../manifest.ts";
import { isPlainName } from "../plain-name.ts";
import { writeManifest } from "./checked-file.ts";

/** Files that come and go by themselves, or list the others. */
const passing = ["training.lock", manifestName];

/** Names of the files in a directory, and of links; one that leads nowhere is a file that is missing. */
export async function filesIn(directory: string): Promise<string[]> {
  const names: string[] = [];
  for (const name of (await readdir(directory)).toSorted()) {
    if (!isPlainName(name) || passing.includes(name)) continue;
    const found = await stat(join(directory, name)).catch(() => undefined);
    if (found === undefined || found.isFile()) names.push(name);
  }
  return names;
}

/**
 * Makes the sums of a model's files as they are now, over any that are there. Returns how many there are. Throws
 * `InvalidConfigError` where there is no model.
 */
export async function sealDirectory(directory: string): Promise<number> {
  const names = await filesIn(directory);
  if (!names.includes("config.json"))
    throw new InvalidConfigError(`${directory}: expected a model directory, it has no config.json`);
  await writeManifest(directory, names);
  return names.length;
}
