/**
 * A file as bytes that are read by range. What the system has of it in memory is read without asking for it so. Knows
 * nothing of what the bytes are.
 */
import { open } from "node:fs/promises";
import { StoreError } from "../../../errors.ts";
import type { ByteRanges } from "../byte-ranges.ts";
import { MAX_READ_NOW, pageCacheReader } from "./page-cache.ts";

export async function openFileRanges(
  path: string,
  { maxInFlight = 16 }: { readonly maxInFlight?: number | undefined } = {},
): Promise<ByteRanges> {
  const file = await open(path, "r").catch((cause: Error) => {
    throw new StoreError(`cannot open the table ${path}: ${cause.message}`, { cause });
  });
  let isClosed = false;
  const { size } = await file.stat().catch(async (cause: Error) => {
    await file.close();
    throw new StoreError(`cannot open the table ${path}: ${cause.message}`, { cause });
  });
  return {
    name: path,
    size,
    // A page comes from the disk in any case.
    maxGapBytes: 4096,
    maxCallBytes: 256 * 1024,
    maxInFlight,
    async read(begin, into): Promise<void> {
      if (isClosed) throw new StoreError(`the store of ${path} was closed; open it again`);
      const { length } = into;
      const here = length > MAX_READ_NOW ? undefined : pageCacheReader()?.(file.fd, begin, length);
      if (here !== undefined) return into.set(here);
      for (let done = 0; done < length;) {
        const { bytesRead } = await file
          .read(into, done, length - done, begin + done)
          .catch((cause: Error) => {
            throw new StoreError(`${path}: cannot read byte ${begin + done}: ${cause.message}`, {
              cause,
            });
          });
        if (bytesRead === 0)
          throw new StoreError(
            `${path} ends at byte ${begin + done}; it has shrunk since it was opened`,
          );
        done += bytesRead;
      }
    },
    async close(): Promise<void> {
      if (isClosed) return;
      isClosed = true;
      await file.close();
    },
  };
}
