/**
 * Replacing several files of a directory as one. The new files are written beside the old ones in a
 * hidden directory; when all are on disk a list of them is added, and from that moment the change is
 * decided: whoever opens the directory next finishes the renames if the writer did not live to. Knows
 * nothing of what the files hold.
 */
import { mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { syncDirectory, syncTree, writeDurably } from "./durable.ts";
import { isAbandoned, partialName } from "./partial-name.ts";
import { writeFailure } from "./write-failure.ts";

const prefix = ".saving-";
const listName = "READY.json";

/**
 * Makes `write` fill a hidden directory, then moves its files into `directory` (made if absent),
 * over files of the same name, and removes the old files `obsolete` names. A process killed at any
 * point leaves all old files or, once `finishPublishing` has run, all new ones. Throws `StoreError`
 * when the disk is full; the old files are then as they were.
 */
export async function publishFiles(
  directory: string,
  write: (staging: string) => Promise<void>,
  obsolete: (name: string) => boolean = () => false,
): Promise<void> {
  const staging = join(directory, partialName(prefix));
  try {
    await mkdir(directory, { recursive: true });
    await finishPublishing(directory);
    for (const name of await readdir(directory))
      if (isAbandoned(name, prefix)) await rm(join(directory, name), { recursive: true });
    await mkdir(staging);
    await write(staging);
    await syncTree(staging);
    const files = await readdir(staging);
    const stale = (await readdir(directory)).filter((n) => !files.includes(n) && obsolete(n));
    await writeDurably(join(staging, listName), (file) =>
      file.writeFile(JSON.stringify({ files, stale })),
    );
  } catch (error) {
    await rm(staging, { recursive: true, force: true });
    throw writeFailure(error, directory);
  }
  await finish(directory, staging);
}

/** Finishes a replacement whose writer was stopped after everything was on disk. */
export async function finishPublishing(directory: string): Promise<void> {
  for (const name of await readdir(directory))
    if (name.startsWith(prefix)) await finish(directory, join(directory, name));
}

async function finish(directory: string, staging: string): Promise<void> {
  let list: string;
  try {
    list = await readFile(join(staging, listName), "utf8");
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  const { files, stale } = JSON.parse(list) as { files: string[]; stale: string[] };
  for (const file of files) {
    try {
      await rename(join(staging, file), join(directory, file));
    } catch (error) {
      // Someone moved it already; it must be where it belongs then.
      if (!isMissing(error)) throw writeFailure(error, directory);
      await stat(join(directory, file));
    }
  }
  for (const file of stale) await rm(join(directory, file), { force: true });
  await syncDirectory(directory);
  await rm(staging, { recursive: true, force: true });
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}
