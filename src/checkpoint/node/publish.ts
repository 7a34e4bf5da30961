/**
 * Replacing several files of a directory as one. The new files are written beside the old ones in a
 * hidden directory; when all are on disk a list of them is added, and from that moment the change is
 * decided. If the writer does not live to rename them, the next writer finishes that; a reader changes
 * nothing and reads the new files where they lie. Both follow only plain names that belong to the
 * writer: a directory may come from a stranger. Knows nothing of what the files hold.
 */
import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { syncDirectory, syncTree, writeDurably } from "../../bytes/node/index.ts";
import { FormatError } from "../../errors.ts";
import { checkPlainName } from "../plain-name.ts";
import { isMissing } from "./open-path.ts";
import { readTextInside } from "./text-file.ts";
import { isAbandoned, isPartialName, partialName } from "./partial-name.ts";
import { writeFailure } from "./write-failure.ts";

const prefix = ".saving-";
const listName = "READY.json";

export interface PublishOptions {
  /** Whether a file of this name is the writer's, to replace or, if it writes none, to remove. */
  readonly owns: (name: string) => boolean;
  /** Fills the hidden directory it is given, with files that the writer owns. */
  readonly write: (staging: string) => Promise<void>;
}

/**
 * Makes `write` fill a hidden directory, then moves its files into `directory` (made if absent),
 * over files of the same name, and removes the writer's other files. A process killed at any point
 * leaves all old files or all new ones for whoever reads by `placeFiles`. Throws `StoreError` when the
 * disk is full; the old files are then as they were.
 */
export async function publishFiles(
  directory: string,
  { owns, write }: PublishOptions,
): Promise<void> {
  const staging = join(directory, partialName(prefix));
  let save: DecidedSave;
  try {
    await mkdir(directory, { recursive: true });
    for (const decided of await decidedSaves(directory, owns)) await finish(directory, decided);
    for (const name of await readdir(directory))
      if (isAbandoned(name, prefix)) await rm(join(directory, name), { recursive: true });
    await mkdir(staging);
    await write(staging);
    await syncTree(staging);
    const files = await readdir(staging);
    const stale = (await readdir(directory)).filter((name) => !files.includes(name) && owns(name));
    await writeDurably(join(staging, listName), (file) =>
      file.writeFile(JSON.stringify({ files, stale })),
    );
    save = { staging, files, stale };
  } catch (error) {
    await rm(staging, { recursive: true, force: true });
    throw writeFailure(error, directory);
  }
  await finish(directory, save);
}

/**
 * Where each of a directory's files is to be read: in place, or in the hidden directory of a save that was
 * decided and not finished. `undefined` for a file which that save removes. Throws `FormatError` where a save
 * names files that no writer with `owns` would.
 */
export async function placeFiles(
  directory: string,
  owns: (name: string) => boolean,
): Promise<(name: string) => string | undefined> {
  const saves = await decidedSaves(directory, owns);
  return (name) => {
    for (const { staging, files, stale } of saves.toReversed()) {
      if (stale.includes(name)) return undefined;
      // Moved to its place meanwhile, or before the writer died.
      if (files.includes(name) && existsSync(join(staging, name))) return join(staging, name);
    }
    return join(directory, name);
  };
}

/** A save whose files are all on disk, and which was not finished. */
interface DecidedSave {
  readonly staging: string;
  readonly files: readonly string[];
  readonly stale: readonly string[];
}

async function decidedSaves(
  directory: string,
  owns: (name: string) => boolean,
): Promise<DecidedSave[]> {
  const saves: DecidedSave[] = [];
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    // A link would lead out of the directory.
    if (!entry.isDirectory() || !isPartialName(entry.name, prefix)) continue;
    const staging = join(directory, entry.name);
    const list = await readList(join(staging, listName), owns);
    if (list !== undefined) saves.push({ staging, ...list });
  }
  return saves;
}

async function readList(
  path: string,
  owns: (name: string) => boolean,
): Promise<Omit<DecidedSave, "staging"> | undefined> {
  let text: string;
  try {
    text = await readTextInside(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  const names = (value: unknown, key: string): string[] => {
    if (!Array.isArray(value))
      throw new FormatError(`${path}: expected a list of file names under "${key}"`);
    return value.map((given) => {
      const name = checkPlainName(given, path);
      if (owns(name)) return name;
      throw new FormatError(
        `${path}: expected the files of a model, got "${name}"; engram wrote no such list, remove its directory`,
      );
    });
  };
  let list: Record<string, unknown> | null;
  try {
    list = JSON.parse(text) as Record<string, unknown> | null;
  } catch (cause) {
    throw new FormatError(`${path} is not JSON: ${(cause as Error).message}`, { cause });
  }
  return { files: names(list?.["files"], "files"), stale: names(list?.["stale"], "stale") };
}

async function finish(directory: string, { staging, files, stale }: DecidedSave): Promise<void> {
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
