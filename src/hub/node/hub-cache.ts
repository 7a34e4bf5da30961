/**
 * The folder where the hub's clients keep what they have fetched, shared with Python's huggingface_hub:
 *
 *     models--OWNER--REPO/blobs/DIGEST               each file once
 *     models--OWNER--REPO/snapshots/COMMIT/NAME      links to blobs
 *     models--OWNER--REPO/refs/REVISION              the commit that a branch or tag was at
 *
 * Finds, links and removes; downloads nothing, and knows nothing of what the files hold.
 */
import { link, readdir, rename, stat, symlink } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { ggufFileNames, ggufModelNames, isPlainName, modelNames } from "../../checkpoint/index.ts";
import { filesIn, partialName, readTextInside, writeDurably } from "../../checkpoint/node/index.ts";
import { RequestError } from "../../errors.ts";
import {
  formatModelName,
  isCommit,
  isRevision,
  type ModelName,
  parseModelName,
} from "../model-name.ts";
import { makeFolder } from "./own-folders.ts";

/** One commit of a model, as far as it is in the cache. */
export interface CachedModel {
  readonly repo: string;
  readonly commit: string;
  /** Branches and tags that were at this commit. */
  readonly revisions: readonly string[];
  readonly path: string;
}

/** The folder of a repository. */
export function repositoryFolder(cache: string, repo: string): string {
  return join(cache, `models--${repo.replace("/", "--")}`);
}

/** Every model in the cache, by name. */
export async function cachedModels(cache: string): Promise<CachedModel[]> {
  const found: CachedModel[] = [];
  for (const name of (await namesIn(cache)).toSorted()) {
    const [, words] = /^models--(.+)$/.exec(name) ?? [];
    const repo = words?.replace("--", "/");
    if (repo === undefined || parseModelName(repo)?.repo !== repo) continue;
    const folder = join(cache, name);
    const refs = await refsIn(join(folder, "refs"));
    for (const commit of (await namesIn(join(folder, "snapshots"))).filter(isCommit))
      found.push({
        repo,
        commit,
        revisions: [...refs].flatMap(([revision, at]) => (at === commit ? [revision] : [])),
        path: join(folder, "snapshots", commit),
      });
  }
  return found;
}

/** The snapshot that a name means; undefined where the cache has none. */
export async function cachedSnapshot(
  cache: string,
  { repo, revision }: ModelName,
): Promise<string | undefined> {
  const folder = repositoryFolder(cache, repo);
  const commit = isCommit(revision) ? revision : await readRef(join(folder, "refs", revision));
  if (commit === undefined) return undefined;
  const path = join(folder, "snapshots", commit);
  return (await isDirectory(path)) ? path : undefined;
}

/**
 * The directory or .gguf file that a name means; undefined where the cache has none. Throws `RequestError` where it has
 * several .gguf models and the name says none of them.
 */
export async function findCachedModel(cache: string, name: ModelName): Promise<string | undefined> {
  const path = await cachedSnapshot(cache, name);
  if (path === undefined) return undefined;
  const names = await filesIn(path);
  if (name.file !== undefined) {
    const files = ggufFileNames(name.file);
    return files.every((file) => names.includes(file)) ? join(path, files[0]!) : undefined;
  }
  if (names.includes(modelNames.config)) return path;
  const ggufs = ggufModelNames(names);
  if (ggufs.length > 1)
    throw new RequestError(
      `${name.repo} has several models in the cache; name one: ` +
        ggufs.map((file) => formatModelName({ ...name, file })).join(", "),
    );
  return ggufs[0] && join(path, ggufs[0]);
}

/** The name of the model at a path in a cache, wherever that cache is; undefined for any other path. */
export function nameOfCachedPath(path: string): string | undefined {
  const [, words, file] =
    /(?:^|[\\/])models--([^\\/]+)[\\/]snapshots[\\/][0-9a-f]{40}(?:[\\/]([^\\/]+))?[\\/]?$/.exec(
      path,
    ) ?? [];
  const repo = words?.replace("--", "/");
  return repo && (file === undefined ? repo : `${repo}:${file}`);
}

/** Where a model's files lie. */
export interface CachePlaces {
  readonly blobs: string;
  readonly snapshot: string;
  /** What a branch or tag means; undefined for a commit, which means itself. */
  readonly ref: string | undefined;
}

export function placesOf(
  cache: string,
  { repo, commit, revision }: { repo: string; commit: string; revision: string },
): CachePlaces {
  const folder = repositoryFolder(cache, repo);
  return {
    blobs: join(folder, "blobs"),
    snapshot: join(folder, "snapshots", commit),
    ref: revision === commit ? undefined : join(folder, "refs", revision),
  };
}

/** Makes a snapshot's files links to its blobs, and then lets the revision mean this commit. */
export async function linkSnapshot(
  cache: string,
  { blobs, snapshot, ref }: CachePlaces,
  files: readonly { readonly name: string; readonly digest: string }[],
): Promise<void> {
  await makeFolder(cache, snapshot);
  for (const { name, digest } of files)
    await replaceLink(join(snapshot, name), join(blobs, digest));
  if (ref === undefined) return;
  await makeFolder(cache, dirname(ref));
  await writeDurably(ref, (file) => file.writeFile(basename(snapshot)));
}

/** A link that was there is replaced as one: readers see the old file or the new one. */
async function replaceLink(path: string, blob: string): Promise<void> {
  const made = partialName(`${path}.new-`);
  try {
    await symlink(relative(dirname(path), blob), made);
  } catch (error) {
    // Windows lets few users make symbolic links; a second name of the same file does as well.
    if ((error as NodeJS.ErrnoException).code !== "EPERM") throw error;
    await link(blob, made);
  }
  await rename(made, path);
}

async function readRef(path: string): Promise<string | undefined> {
  const text = await readTextInside(path).catch(() => "");
  return isCommit(text.trim()) ? text.trim() : undefined;
}

/** Revision -> commit. Revisions may have slashes: they are paths below `refs`. */
async function refsIn(folder: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const entries = await readdir(folder, { recursive: true }).catch(() => []);
  for (const name of entries.map((one) => one.replaceAll("\\", "/")).filter(isRevision)) {
    const commit = await readRef(join(folder, name));
    if (commit !== undefined) found.set(name, commit);
  }
  return found;
}

async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(() => [])).filter(isPlainName);
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}
