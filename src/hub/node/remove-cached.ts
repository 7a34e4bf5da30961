/**
 * Removes a model from the cache: links, then what no other snapshot links to. Only what a name gives, and only inside
 * the folder of its repository.
 */
import { readdir, readlink, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { ggufFileNames, isPlainName } from "../../checkpoint/index.ts";
import type { ModelName } from "../model-name.ts";
import { cachedModels, cachedSnapshot, repositoryFolder } from "./hub-cache.ts";
import { refuseLinks } from "./own-folders.ts";

export interface Removal {
  /** What goes: a snapshot, a file of one, or the folder of a repository that has no snapshot. */
  readonly path: string;
  /** Bytes that become free. */
  readonly bytes: number;
  remove(): Promise<void>;
}

/**
 * What removing a model would take; undefined where the cache does not have it. Removes nothing yet. Throws
 * `InvalidConfigError` where a link leads out of the repository's folder: what lies there is not the cache's.
 */
export async function planRemoval(cache: string, name: ModelName): Promise<Removal | undefined> {
  const folder = repositoryFolder(cache, name.repo);
  const all = (await cachedModels(cache)).filter(({ repo }) => repo === name.repo);
  const snapshot = await cachedSnapshot(cache, name);
  if (snapshot === undefined) {
    const left = await readdir(folder).catch(() => undefined);
    if (left === undefined || all.length > 0) return undefined;
    // A pull that did not end.
    const bytes = await bytesOf(join(folder, "blobs"), undefined);
    return removal(cache, { path: folder, bytes, paths: [folder] });
  }
  const links = await linksIn(snapshot);
  const files = name.file === undefined ? [] : ggufFileNames(name.file);
  const targets = files.length === 0 ? [snapshot] : files.map((file) => join(snapshot, file));
  const going = links.filter(({ path }) => files.length === 0 || targets.includes(path));
  if (going.length === 0) return undefined;
  const isWhole = going.length === links.length;
  const others = await Promise.all(
    all.filter(({ path }) => path !== snapshot).map(({ path }) => linksIn(path)),
  );
  const kept = new Set(
    [...others.flat(), ...links.filter((one) => !going.includes(one))].map(({ blob }) => blob),
  );
  const blobs = new Set(
    going.flatMap(({ blob }) => (blob === undefined || kept.has(blob) ? [] : [blob])),
  );
  const bytes = await bytesOf(join(folder, "blobs"), blobs);
  if (isWhole && all.length === 1) return removal(cache, { path: folder, bytes, paths: [folder] });
  const { revisions = [] } = all.find(({ path }) => path === snapshot) ?? {};
  const refs = isWhole ? revisions.map((revision) => join(folder, "refs", revision)) : [];
  const paths = [...refs, ...(isWhole ? [snapshot] : targets)];
  return removal(cache, {
    path: targets[0]!,
    bytes,
    paths: [...paths, ...[...blobs].map((blob) => join(folder, "blobs", blob))],
  });
}

/** `paths` in the order in which they go: names first, so that what is broken off leaves no half of a model. */
async function removal(
  cache: string,
  { path, bytes, paths }: { path: string; bytes: number; paths: readonly string[] },
): Promise<Removal> {
  for (const one of new Set(paths.map((each) => dirname(each)))) await refuseLinks(cache, one);
  return {
    path,
    bytes,
    async remove(): Promise<void> {
      for (const one of paths) await rm(one, { recursive: true, force: true });
    },
  };
}

/** The files of a snapshot, in folders of it as well, and the blobs that they are links to. */
async function linksIn(snapshot: string): Promise<{ path: string; blob: string | undefined }[]> {
  const found: { path: string; blob: string | undefined }[] = [];
  const entries = await readdir(snapshot, { recursive: true, withFileTypes: true }).catch(() => []);
  for (const entry of entries.filter((one) => !one.isDirectory())) {
    const path = join(entry.parentPath, entry.name);
    const blob = basename(await readlink(path).catch(() => ""));
    found.push({ path, blob: isPlainName(blob) ? blob : undefined });
  }
  return found;
}

/** Of those blobs; undefined: of all. */
async function bytesOf(folder: string, blobs: ReadonlySet<string> | undefined): Promise<number> {
  let sum = 0;
  for (const name of await readdir(folder).catch(() => []))
    if (blobs === undefined || blobs.has(name)) sum += (await stat(join(folder, name))).size;
  return sum;
}
