/** The sums of files by their paths, and the manifest of a directory. Knows bytes; not what they mean. */
import { join } from "node:path";
import { writeDurably } from "../../bytes/node/index.ts";
import {
  type FileRecord,
  formatManifest,
  type Manifest,
  manifestName,
  parseManifest,
} from "../manifest.ts";
import {
  checkBytes,
  type CheckOptions,
  checkRanges,
  type Damage,
  findDamageInRanges,
  recordOf,
} from "../sums.ts";
import { isMissing, openIfThere, openPath } from "./open-path.ts";
import { readTextInside } from "./text-file.ts";

/** Size and sums of the file at `path` as it is now. */
export async function recordOfFile(path: string): Promise<FileRecord> {
  const file = await openPath(path);
  try {
    return await recordOf(file);
  } finally {
    await file.close();
  }
}

/** Sums up these files of `directory` as they are now, and `beside`, into its manifest.json, over any that is there. */
export async function writeManifest(
  directory: string,
  names: readonly string[],
  beside: Manifest = new Map(),
): Promise<void> {
  const manifest = new Map(beside);
  for (const name of names) manifest.set(name, await recordOfFile(join(directory, name)));
  await writeDurably(join(directory, manifestName), (file) =>
    file.writeFile(formatManifest(manifest)),
  );
}

/** The manifest at `path`; empty if there is none. Throws `FormatError` for one that is damaged. */
export async function readManifest(path: string | undefined): Promise<Manifest> {
  if (path === undefined) return new Map();
  try {
    return parseManifest(await readTextInside(path), path);
  } catch (error) {
    if (isMissing(error)) return new Map();
    throw error;
  }
}

/** Where the file at `path` is not as `record` says, in order. */
export async function* findDamage(
  path: string,
  record: FileRecord,
  options: CheckOptions = {},
): AsyncGenerator<Damage> {
  const file = await openIfThere(path);
  if (file === undefined) {
    const text = `expected a file of ${record.bytes} bytes, there is none`;
    return void (yield { begin: 0, end: 0, text });
  }
  try {
    yield* findDamageInRanges(file, record, options);
  } finally {
    await file.close();
  }
}

/** Throws `FormatError` with the first damage. */
export async function checkFile(
  path: string,
  record: FileRecord,
  options: CheckOptions = {},
): Promise<void> {
  const file = await openIfThere(path);
  if (file === undefined) return checkBytes(path, undefined, { record, ...options });
  try {
    await checkRanges(file, { record, ...options });
  } finally {
    await file.close();
  }
}
