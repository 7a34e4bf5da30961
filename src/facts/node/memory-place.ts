/**
 * Where what a model is taught is kept: beside a model that belongs to the user, in `memory/`; for one that is a single
 * file, that may not be written, or that a cache shares, in the user's own data, under a digest of the model. Knows paths
 * and digests; not what is kept there.
 */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { access, readdir, realpath, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { digestOfFiles, userDirectory } from "../../bytes/node/index.ts";
import type { Vocabulary } from "../../tokenizer/index.ts";
import { vocabularyBytes } from "../fingerprint.ts";

/** In a model's directory. */
export const MEMORY_NAME = "memory";

type Environment = Readonly<Record<string, string | undefined>>;

/** `path` is a model's directory or file. */
export async function memoryPlace(
  path: string,
  { env = process.env }: { env?: Environment } = {},
): Promise<string> {
  const beside = join(path, MEMORY_NAME);
  const isOwn = (await stat(path)).isDirectory() && !(await isCached(path));
  if (isOwn && ((await isDirectory(beside)) || (await isWritable(path)))) return beside;
  return join(userDirectory("data", env), "engram", await digestOf(path));
}

/** The hub's cache keeps files once for all revisions, and directories full of links. */
async function isCached(path: string): Promise<boolean> {
  return /^(?:snapshots|blobs)$/.test(
    dirname(await realpath(path))
      .split(/[/\\]/)
      .at(-1) ?? "",
  );
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}

async function isWritable(path: string): Promise<boolean> {
  return access(path, constants.W_OK).then(
    () => true,
    () => false,
  );
}

async function digestOf(path: string): Promise<string> {
  if ((await stat(path)).isFile()) return digestOfFiles(new Map([["", path]]));
  const names = (await readdir(path))
    .toSorted()
    .filter((name) => /^(?:config\.json|tokenizer.*|.*\.(?:safetensors|gguf))$/.test(name));
  return digestOfFiles(new Map(names.map((name) => [name, join(path, name)])));
}

/** SHA-256 of the bytes of all tokens, each behind its length: what ids mean. */
export function fingerprintOf(vocabulary: Vocabulary): Uint8Array {
  const hash = createHash("sha256");
  for (const part of vocabularyBytes(vocabulary)) hash.update(part);
  return hash.digest();
}
