/**
 * Folders of a page's origin-private file system, where models are kept. Only the parts of its interface that are used
 * are declared. Knows files; not what they hold.
 */
import type { Folder } from "../checkpoint/index.ts";
import { FormatError } from "../errors.ts";

interface FileHandle {
  readonly kind: "file";
  getFile(): Promise<{
    readonly size: number;
    slice(begin: number, end: number): { arrayBuffer(): Promise<ArrayBuffer> };
  }>;
  /** What is written takes the file's place at `close`. */
  createWritable(): Promise<{
    write(part: Uint8Array): Promise<void>;
    close(): Promise<void>;
    abort(): Promise<void>;
  }>;
}

interface DirectoryHandle {
  readonly kind: "directory";
  getDirectoryHandle(name: string, options?: { create: boolean }): Promise<DirectoryHandle>;
  getFileHandle(name: string, options?: { create: boolean }): Promise<FileHandle>;
  removeEntry(name: string, options?: { recursive: boolean }): Promise<void>;
  entries(): AsyncIterable<[string, DirectoryHandle | FileHandle]>;
}

const ROOT = "engram-models";

/** The folder of the model at `address`; undefined where pages may keep nothing (no HTTPS, private windows). */
export async function opfsFolder(address: string): Promise<Folder | undefined> {
  const origin = await originFolder();
  if (origin === undefined) return undefined;
  try {
    const root = await origin.getDirectoryHandle(ROOT, { create: true });
    return new OpfsFolder(root, await nameOf(address));
  } catch {
    return undefined;
  }
}

/** A file that stays as it was where it cannot be replaced. */
export interface OpfsFile {
  /** Undefined where it was never written. Throws `FormatError` where it is larger than `most` bytes. */
  read(most: number): Promise<Uint8Array | undefined>;
  write(content: Uint8Array): Promise<void>;
}

/** The file of that name beside the models; undefined where pages may keep nothing. */
export async function opfsFile(name: string): Promise<OpfsFile | undefined> {
  const origin = await originFolder();
  if (origin === undefined) return undefined;
  const [folder, file] = [await nameOf(name), "content"];
  // Found anew each time: all may have been removed since.
  const handle = async (options?: { create: boolean }): Promise<FileHandle> => {
    const root = await origin.getDirectoryHandle(ROOT, options);
    return (await root.getDirectoryHandle(folder, options)).getFileHandle(file, options);
  };
  return {
    async read(most) {
      const content = await (await ifThere(handle()))?.getFile();
      // Creating it makes an empty file.
      if (content === undefined || content.size === 0) return undefined;
      if (content.size > most)
        throw new FormatError(`${name} has ${content.size} bytes, and may have ${most}`);
      return new Uint8Array(await content.slice(0, content.size).arrayBuffer());
    },
    async write(content) {
      await replaceContent(await handle({ create: true }), [content]);
    },
  };
}

/** The channel on which it is told where files beside the models were written, or all were removed. */
export const KEPT_CHANGES = "engram kept";

async function replaceContent(
  handle: FileHandle,
  parts: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  const out = await handle.createWritable();
  let isWritten = false;
  try {
    for await (const part of parts) await out.write(part);
    await out.close();
    isWritten = true;
  } finally {
    if (!isWritten) await ifThere(out.abort());
  }
}

/** Removes what `loadModel` has kept: of the model at `address`, or of all. */
export async function removeKept(address?: string): Promise<void> {
  const origin = await originFolder();
  if (origin === undefined) return;
  const root = address === undefined ? origin : await ifThere(origin.getDirectoryHandle(ROOT));
  const name = address === undefined ? ROOT : await nameOf(address);
  await ifThere(root?.removeEntry(name, { recursive: true }));
  const channel = new BroadcastChannel(KEPT_CHANGES);
  tellOfChange(channel);
  channel.close();
}

/** Says on that channel that something that is kept has changed. */
export function tellOfChange(channel: { postMessage(message: unknown): void }): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel has no target
  channel.postMessage("changed");
}

async function originFolder(): Promise<DirectoryHandle | undefined> {
  const { storage } = navigator as { storage?: { getDirectory?(): Promise<DirectoryHandle> } };
  try {
    return await storage?.getDirectory?.();
  } catch {
    return undefined;
  }
}

/** Of 64 hexadecimal digits: an address has signs that no file's name may have. */
async function nameOf(address: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(address));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

class OpfsFolder implements Folder {
  readonly #root: DirectoryHandle;
  readonly #name: string;

  constructor(root: DirectoryHandle, name: string) {
    this.#root = root;
    this.#name = name;
  }

  async open(file: string): ReturnType<Folder["open"]> {
    const folder = await ifThere(this.#root.getDirectoryHandle(this.#name));
    const handle = await ifThere(folder?.getFileHandle(file));
    const found = await ifThere(handle?.getFile());
    return (
      found && {
        size: found.size,
        read: async (begin, end) => new Uint8Array(await found.slice(begin, end).arrayBuffer()),
      }
    );
  }

  async write(
    file: string,
    parts: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<void> {
    const folder = await this.#root.getDirectoryHandle(this.#name, { create: true });
    const handle = await folder.getFileHandle(file, { create: true });
    let isWritten = false;
    try {
      await replaceContent(handle, parts);
      isWritten = true;
    } finally {
      // Creating it made an empty file.
      if (!isWritten) await ifThere(folder.removeEntry(file));
    }
  }

  async clear(): Promise<void> {
    await ifThere(this.#root.removeEntry(this.#name, { recursive: true }));
  }

  async usedBytes(): Promise<number> {
    let bytes = 0;
    for await (const [, folder] of this.#root.entries())
      if (folder.kind === "directory")
        for await (const [, file] of folder.entries())
          // What another writes or removes may be gone by now.
          if (file.kind === "file") bytes += (await ifThere(file.getFile()))?.size ?? 0;
    return bytes;
  }
}

/** Undefined where the entry is not there, or somebody else removes it at the same time. */
async function ifThere<T>(entry: Promise<T> | undefined): Promise<T | undefined> {
  try {
    return await entry;
  } catch {
    return undefined;
  }
}
