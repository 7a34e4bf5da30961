/**
 * Arrays made of files, kept from one start of a program to the next: packing weights takes seconds, reading what was
 * packed a moment. Each has one file in the user's cache (XDG_CACHE_HOME), never beside what it was made of. What is there
 * is used only if it was written by this user, for these files as they are now, by this version, and has the sum that it
 * says; otherwise it is made anew. Failing to keep something is no error. Knows which file belongs to what, and which go;
 * not what is in them (`kept-arrays-file.ts`).
 */
import { createHash } from "node:crypto";
import { lstat, mkdir, readdir, rename, rm, stat, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { digestOfFiles, userDirectory } from "../../bytes/node/index.ts";
import type { KeepArrays, MadeOf } from "../kept-arrays.ts";
import {
  mapArrays,
  type MapFile,
  readArrays,
  stretchesOf,
  writeArrays,
} from "./kept-arrays-file.ts";
import { isAbandoned, partialName } from "./partial-name.ts";

/** Less is made in a moment. */
const LEAST_BYTES = 4 << 20;
/** Of all files together. Those that were not used for longest go first. */
const MOST_BYTES = 32 * 2 ** 30;
/** What was not used for so long goes with the next one that is kept. */
const MOST_DAYS = 60;
/** A file that was changed this recently may be changed again within the resolution of its times. */
const SETTLED_MS = 2000;

const prefix = "partial-";
const ending = ".safetensors";

export interface KeptArraysOptions {
  /** Of the package: whoever updates makes them anew. */
  readonly version: string;
  /** Where it maps nothing, and by default, files are read. */
  readonly map?: MapFile;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly leastBytes?: number;
  readonly mostBytes?: number;
  readonly settledMs?: number;
}

/** In `engram/packed` of the user's cache. */
export function keptArrays(options: KeptArraysOptions): KeepArrays {
  const { map = () => undefined, leastBytes = LEAST_BYTES, mostBytes = MOST_BYTES } = options;
  return async (of, make) => {
    const path = await placeOf(of, options).catch(() => undefined);
    if (path !== undefined) {
      const found = (await mapArrays(path, map)) ?? (await readArrays(path));
      if (found !== undefined) return found;
    }
    const arrays = await make();
    const bytes = stretchesOf(arrays).reduce((sum, { byteLength }) => sum + byteLength, 0);
    if (path === undefined || bytes < leastBytes || bytes > mostBytes) return arrays;
    try {
      const directory = dirname(path);
      for (const place of [dirname(directory), directory])
        if (!(await mayBeMade(place))) return arrays;
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await removeOld(directory, mostBytes - bytes);
      const { bavail, bsize } = await statfs(directory);
      if (2 * bytes > bavail * bsize) return arrays;
      const partial = join(directory, partialName(prefix));
      await writeArrays(partial, arrays);
      await rename(partial, path);
    } catch {
      return arrays;
    }
    // What was made need not lie in memory then. Where files are read, it would lie there twice.
    return (await mapArrays(path, map)) ?? arrays;
  };
}

/** Whether a folder is this user's, if it is there. A link of somebody else's would say where to write, and what is old. */
async function mayBeMade(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  return found === undefined || process.getuid === undefined || found.uid === process.getuid();
}

async function placeOf(of: MadeOf, options: KeptArraysOptions): Promise<string | undefined> {
  const directory = join(userDirectory("cache", options.env), "engram", "packed");
  const key = await keyOf(of, options);
  return key === undefined ? undefined : join(directory, `${key}${ending}`);
}

/** Of everything that decides what is made: the files as they are now, and what is said. */
async function keyOf(
  { files, said }: MadeOf,
  { version, settledMs = SETTLED_MS }: KeptArraysOptions,
): Promise<string | undefined> {
  const states: string[] = [];
  for (const path of files) {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    if (Date.now() - Number((mtimeNs > ctimeNs ? mtimeNs : ctimeNs) / 1_000_000n) < settledMs)
      return undefined;
    states.push([dev, ino, size, mtimeNs, ctimeNs].join(" "));
  }
  const digest = await digestOfFiles(new Map(files.map((path, i) => [String(i), path])));
  const all = JSON.stringify([version, states, digest, said]);
  return createHash("sha256").update(all).digest("hex").slice(0, 40);
}

/** Removes what killed writers left and what was not used for long; the rest takes at most `mostBytes` then. */
async function removeOld(directory: string, mostBytes: number): Promise<void> {
  const found: { path: string; bytes: number; used: number }[] = [];
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    // A writer's file has the ending of its writer until it is whole.
    if (isAbandoned(name.replace(/\.tmp$/, ""), prefix)) await rm(path, { force: true });
    else if (name.endsWith(ending)) {
      // Another process may have removed it.
      const state = await stat(path).catch(() => undefined);
      if (state !== undefined) found.push({ path, bytes: state.size, used: state.mtimeMs });
    }
  }
  let sum = 0;
  for (const { path, bytes, used } of found.toSorted((a, b) => b.used - a.used)) {
    sum += bytes;
    if (sum > mostBytes || Date.now() - used > MOST_DAYS * 86_400_000)
      await rm(path, { force: true });
  }
}
