/**
 * Folders of the cache. Others may have filled it, or unpacked it from somewhere: a link in a folder's place would lead what
 * is written or removed out of it, so nothing goes through one. The cache itself may be a link: its user says where it is.
 * Knows paths; not what is in them.
 */
import { lstat, mkdir, realpath } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { InvalidConfigError } from "../../errors.ts";

/** Throws `InvalidConfigError` where something else than a folder is in the place of one, from the cache down to `path`. */
export async function refuseLinks(cache: string, path: string): Promise<void> {
  let folder = cache;
  const inside = relative(cache, path);
  for (const name of inside === "" ? [] : inside.split(sep)) {
    folder = join(folder, name);
    const found = await lstat(folder).catch(() => undefined);
    if (found === undefined) return;
    if (found.isDirectory()) continue;
    const target = await realpath(folder).catch(() => "nothing");
    throw new InvalidConfigError(
      `${folder}: expected a folder of the cache, got ` +
        `${found.isSymbolicLink() ? `a link to ${target}` : "what is none"}; nothing was written or removed: remove it, ` +
        "or what it leads to, by hand",
    );
  }
}

/** Makes a folder and those that it is in, in the same terms. */
export async function makeFolder(cache: string, path: string): Promise<void> {
  await refuseLinks(cache, path);
  await mkdir(path, { recursive: true });
}
