/**
 * One file of a hub -> the cache's blob of that digest. What arrived before a cut, of the line or of the process, is
 * gone on from; nothing gets its name before its sum is right. Knows files and requests; not which files a model needs.
 */
import {
  constants,
  type FileHandle,
  lstat,
  open,
  readdir,
  rename,
  rm,
  stat,
} from "node:fs/promises";
import { join } from "node:path";
import { type HttpRequests, partsOf, PassingError } from "../../bytes/index.ts";
import { writeAt } from "../../bytes/node/index.ts";
import { digestLike, isAbandoned, partialName, writeFailure } from "../../checkpoint/node/index.ts";
import { type EngramError, FormatError, StoreError } from "../../errors.ts";
import type { HubFile } from "../model-files.ts";

export interface FetchOptions {
  /** Folder of the blobs; it must exist. */
  readonly blobs: string;
  readonly requests: HttpRequests;
  /** The error for an answer that is not the file's bytes. */
  readonly refusal: (response: Response) => EngramError;
  /** Told how much of the file is there. */
  readonly onBytes?: (bytes: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Whether the cache has a file whole. */
export async function hasBlob(blobs: string, { digest, bytes }: HubFile): Promise<boolean> {
  return (await stat(join(blobs, digest)).catch(() => undefined))?.size === bytes;
}

/** Bytes of a file that arrived before. */
export async function arrivedBytes(blobs: string, { digest }: HubFile): Promise<number> {
  const [name] = await partsLeft(blobs, digest);
  // Another process may have taken it meanwhile.
  const found =
    name === undefined ? undefined : await stat(join(blobs, name)).catch(() => undefined);
  return found?.size ?? 0;
}

/** Throws `FormatError` where what arrives has another sum, `StoreError` where it does not arrive or has no place. */
export async function fetchBlob(file: HubFile, options: FetchOptions): Promise<void> {
  const { blobs } = options;
  const path = join(blobs, file.digest);
  const part = await claimPart(blobs, file.digest);
  try {
    let found = await completed(part.path, file, options);
    if (found !== file.digest && part.isResumed) {
      // What was there from before may be what is wrong with it.
      await rm(part.path);
      found = await completed(part.path, file, options);
    }
    if (found !== file.digest) {
      await rm(part.path);
      throw new FormatError(
        `${file.name}: expected the digest ${file.digest}, got ${found}; nothing of it was kept; pull again, and if ` +
          "that is no better, the hub's copy is damaged",
      );
    }
    await rename(part.path, path);
    for (const name of await partsLeft(blobs, file.digest))
      await rm(join(blobs, name), { force: true });
  } catch (error) {
    throw writeFailure(error, path);
  }
}

/** The digest of the file, once all of its bytes are at `path`. */
async function completed(path: string, file: HubFile, options: FetchOptions): Promise<string> {
  {
    await using handle = await open(
      path,
      constants.O_RDWR | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0),
    );
    await handle.truncate(Math.min((await handle.stat()).size, file.bytes));
    await complete(handle, file, options);
    await handle.sync();
  }
  return digestLike(file.digest, path, options);
}

async function complete(
  handle: FileHandle,
  { name, bytes }: HubFile,
  { requests, refusal, onBytes }: FetchOptions,
): Promise<void> {
  let { size: have } = await handle.stat();
  let most = have;
  onBytes?.(have);
  if (have === bytes) return;
  const where = name;
  const headers = (): Record<string, string> => ({
    "accept-encoding": "identity",
    ...(have > 0 && { range: `bytes=${have}-` }),
  });
  await requests.get({ where, headers }, async (response, progressed) => {
    if (response.status === 200) have = 0;
    else if (response.status !== 206) throw refusal(response);
    else checkRange(response, { where, have, bytes });
    for await (const part of partsOf(response)) {
      if (have + part.length > bytes)
        throw new StoreError(`${where}: more came than the ${bytes} bytes of the hub's list`);
      await writeAt(handle, part, have).catch((error: unknown) => {
        throw writeFailure(error, name);
      });
      have += part.length;
      onBytes?.(have);
      progressed({ isNew: have > most });
      most = Math.max(most, have);
    }
    if (have < bytes)
      throw new PassingError(`${where}: it was cut after ${have} of ${bytes} bytes`);
  });
}

function checkRange(
  { headers }: Response,
  { where, have, bytes }: { where: string; have: number; bytes: number },
): void {
  const range = headers.get("content-range");
  const [, begin, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(range ?? "") ?? [];
  if (Number(begin) !== have || Number(total) !== bytes)
    throw new StoreError(
      `${where}: asked for the bytes from ${have} of ${bytes} on, the server answers with "${range ?? "no content-range"}"`,
    );
}

/**
 * A name for the bytes that only this process writes to, and what another one left of them. Two that fetch the same
 * file each have their own part; the last to end replaces the same bytes.
 */
async function claimPart(
  blobs: string,
  digest: string,
): Promise<{ readonly path: string; readonly isResumed: boolean }> {
  const path = join(blobs, partialName(partPrefix(digest)));
  for (const name of await partsLeft(blobs, digest))
    try {
      // What is no file was laid there by somebody else: a link would lead the bytes elsewhere.
      if (!(await lstat(join(blobs, name))).isFile()) {
        await rm(join(blobs, name), { recursive: true });
        continue;
      }
      await rename(join(blobs, name), path);
      return { path, isResumed: true };
    } catch (error) {
      // Somebody else was faster.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  return { path, isResumed: false };
}

async function partsLeft(blobs: string, digest: string): Promise<string[]> {
  const names = await readdir(blobs).catch(() => []);
  return names.filter((name) => isAbandoned(name, partPrefix(digest)));
}

function partPrefix(digest: string): string {
  return `${digest}.incomplete-`;
}
