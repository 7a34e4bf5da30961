/**
 * Files of directories that others laid out, and files that a user names. Opening a pipe takes a thread until somebody
 * writes it, and no signal, not even the end of the process, ends that: the first kind may not be one, the second is
 * waited for without a thread. Knows no contents.
 */
import { constants, createReadStream, open as openDescriptor } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { Socket } from "node:net";
import { promisify } from "node:util";
import { FormatError } from "../../errors.ts";

/** Windows has no such flag, and no pipes among its files. */
const AT_ONCE = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/** Opens what lies in a directory that somebody else may have made. Throws `FormatError` for a pipe, socket or device. */
export async function openPlain(path: string): Promise<{ file: FileHandle; size: number }> {
  const file = await open(path, AT_ONCE).catch((error: unknown) => {
    // A socket.
    throw (error as NodeJS.ErrnoException).code === "ENXIO" ? special(path) : error;
  });
  try {
    const found = await file.stat();
    if (!found.isFile() && !found.isDirectory()) throw special(path);
    return { file, size: found.size };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function special(path: string): FormatError {
  return new FormatError(`${path}: expected a file, found a pipe or a device; remove it`);
}

/** The bytes of what a user names: a file, or a pipe up to its end. */
export async function* readBytes(
  path: string,
  { chunkBytes, signal }: { chunkBytes: number; signal?: AbortSignal | undefined },
): AsyncGenerator<Uint8Array> {
  const bytes = (await stat(path)).isFIFO()
    ? new Socket({
        fd: await promisify(openDescriptor)(path, AT_ONCE),
        readable: true,
        writable: false,
        ...(signal && { signal }),
      })
    : createReadStream(path, { highWaterMark: chunkBytes, ...(signal && { signal }) });
  yield* bytes as AsyncIterable<Uint8Array>;
}
