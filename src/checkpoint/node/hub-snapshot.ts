/**
 * A model's folder in the cache of the Hugging Face Hub (`models--OWNER--REPO`) -> the directory of one revision within
 * it, whose files are links into `blobs/`. Knows that layout, and no names of models.
 */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { isPlainName } from "../plain-name.ts";
import { FormatError } from "../../errors.ts";
import { readTextInside } from "./text-file.ts";

/**
 * The revision that `refs/main` names, or the only one there is. Any other directory is returned as it is. Throws
 * `FormatError` where nothing says which of several is meant.
 */
export async function snapshotOf(directory: string): Promise<string> {
  const snapshots = join(directory, "snapshots");
  const isThere = async (path: string): Promise<boolean> =>
    (await stat(path).catch(() => undefined)) !== undefined;
  if (!(await isThere(snapshots)) || (await isThere(join(directory, "config.json"))))
    return directory;
  const main = await readTextInside(join(directory, "refs", "main")).catch(() => undefined);
  const revisions = (await readdir(snapshots)).filter((name) => isPlainName(name));
  const named = main?.trim();
  if (named !== undefined && revisions.includes(named)) return join(snapshots, named);
  if (revisions.length === 1) return join(snapshots, revisions[0]!);
  throw new FormatError(
    `${directory}: expected a revision that refs/main names, or a single one in snapshots/, got ` +
      `${named === undefined ? "no refs/main" : JSON.stringify(named.slice(0, 80))} and ${revisions.length} of them; ` +
      "name the directory of one revision",
  );
}
