/**
 * Sums that others give for files of theirs: the names of Hugging Face's cached files, its notes of a download, and
 * lists as `sha256sum` writes them. Finds them and computes the like; knows nothing of what the files hold.
 *
 *     cache       snapshots/REVISION/NAME is a link to blobs/DIGEST
 *     download    .cache/huggingface/download/NAME.metadata: revision, digest and time, a line each
 *     list        SHA256SUMS: "DIGEST  NAME" a line
 *
 * A digest of 64 hexadecimal digits is the SHA-256 of the bytes; one of 40 is what Git calls a blob: the SHA-1 of
 * "blob LENGTH\0" and the bytes.
 */
import { createHash } from "node:crypto";
import { readlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { openPlain } from "../../bytes/node/index.ts";
import { isPlainName } from "../plain-name.ts";
import { readTextInside } from "./text-file.ts";

export interface ForeignSum {
  readonly digest: string;
  /** Who says so. */
  readonly source: string;
}

/** What others say of the file `name` in `directory`; undefined where nobody does. */
export async function findForeignSum(
  directory: string,
  name: string,
): Promise<ForeignSum | undefined> {
  if (!isPlainName(name)) return undefined;
  const target = await readlink(join(directory, name)).catch(() => "");
  if (isDigest(basename(target)))
    return { digest: basename(target), source: "Hugging Face's cache" };
  const note = join(directory, ".cache", "huggingface", "download", `${name}.metadata`);
  const [, noted] = (await readTextInside(note).catch(() => "")).split("\n");
  if (isDigest(noted?.trim())) return { digest: noted!.trim(), source: "Hugging Face's download" };
  const list = await readTextInside(join(directory, "SHA256SUMS")).catch(() => "");
  for (const line of list.split("\n")) {
    const [, digest, listed] = /^([0-9a-f]{64}) [ *](.+?)\r?$/.exec(line) ?? [];
    if (digest !== undefined && listed === name) return { digest, source: "SHA256SUMS" };
  }
  return undefined;
}

/** The digest of a file of the same kind as `like`. */
export async function digestLike(
  like: string,
  file: string,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<string> {
  const hash = createHash(like.length === 64 ? "sha256" : "sha1");
  const opened = await openPlain(file);
  if (like.length === 40) hash.update(`blob ${opened.size}\0`);
  for await (const piece of opened.file.createReadStream({ highWaterMark: 1 << 22 })) {
    signal?.throwIfAborted();
    hash.update(piece as Uint8Array);
  }
  return hash.digest("hex");
}

function isDigest(text: string | undefined): boolean {
  return text !== undefined && /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
}
