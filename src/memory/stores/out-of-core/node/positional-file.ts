/**
 * A file that is read and written at positions: the four calls of a row log, as an interface that tests implement
 * with a failing disk. Uses callbacks inside: thousands of small reads a second go through here, and Node's promises
 * for file handles cost several times the read. Knows no format.
 */
import { close, constants, fdatasync, fstat, open, read, write } from "node:fs";
import { rm } from "node:fs/promises";
import { promisify } from "node:util";
import { StoreError } from "../../../../errors.ts";

export interface PositionalFile {
  /** Fills `into` or rejects; never short. */
  read(into: Uint8Array, position: number): Promise<void>;
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** Waits until everything written is on the disk. */
  sync(): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

const openFd = promisify(open);
const closeFd = promisify(close);
const syncFd = promisify(fdatasync);
const statFd = promisify(fstat);

/** Opens an existing file. With `isNew` creates one, and replaces an existing one. */
export async function openPositionalFile(
  path: string,
  {
    isNew = false,
    isReadOnly = false,
  }: { readonly isNew?: boolean; readonly isReadOnly?: boolean } = {},
): Promise<PositionalFile> {
  const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL } = constants;
  const flags = isNew ? O_RDWR | O_CREAT | O_EXCL : isReadOnly ? O_RDONLY : O_RDWR;
  let fd: number;
  try {
    // Never follows an existing link, which could lead to any file.
    if (isNew) await rm(path, { force: true });
    fd = await openFd(path, flags, 0o666);
  } catch (cause) {
    throw new StoreError(`cannot open ${path}: ${(cause as Error).message}`, { cause });
  }
  return {
    read: (into, position) =>
      new Promise((resolve, reject) => {
        const next = (done: number): void =>
          read(fd, into, done, into.length - done, position + done, (error, got) => {
            if (error !== null) reject(error);
            else if (done + got === into.length) resolve();
            else if (got === 0) reject(new StoreError(`the file ends at byte ${position + done}`));
            else next(done + got);
          });
        if (into.length === 0) resolve();
        else next(0);
      }),
    write: (bytes, position) =>
      new Promise((resolve, reject) => {
        const next = (done: number): void =>
          write(fd, bytes, done, bytes.length - done, position + done, (error, put) => {
            if (error !== null) reject(error);
            else if (done + put === bytes.length) resolve();
            else next(done + put);
          });
        if (bytes.length === 0) resolve();
        else next(0);
      }),
    sync: () => syncFd(fd),
    size: async () => (await statFd(fd)).size,
    close: () => closeFd(fd),
  };
}
