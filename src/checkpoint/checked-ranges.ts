/**
 * Ranges of a file that a network brings: every part that is read is checked against its sum each time, where there are
 * sums, and what is large is read in several calls at once. Knows no format.
 */
import type { ByteRanges } from "../bytes/index.ts";
import { crc32c } from "../numerics/index.ts";
import type { FileRecord } from "./manifest.ts";
import { checkRanges, damaged, damageIn } from "./sums.ts";

/** Throws `FormatError` for a file of another size. Owns `ranges`. Without a record nothing is checked. */
export async function checkedRanges(
  ranges: ByteRanges,
  record: FileRecord | undefined,
): Promise<ByteRanges> {
  try {
    if (record !== undefined) await checkRanges(ranges, { record: { ...record, sums: undefined } });
  } catch (error) {
    await ranges.close();
    throw error;
  }
  const sums = record?.sums;
  const partBytes = sums === undefined ? 1 : record!.partBytes;
  const callBytes = Math.max(1, Math.floor(ranges.maxCallBytes / partBytes)) * partBytes;

  /** Whole parts from byte `first` on. */
  const check = (first: number, bytes: Uint8Array): void => {
    if (record === undefined || sums === undefined) return;
    for (let at = 0; at < bytes.length; at += partBytes) {
      const part = (first + at) / partBytes;
      const found = crc32c(bytes.subarray(at, at + partBytes));
      for (const damage of damageIn(part, { record, expected: sums[part]!, found }))
        throw damaged(ranges.name, damage);
    }
  };

  /** Reads and checks whole parts from `first` on, and copies what of them is in the range. */
  const readCall = async (
    { first, last }: { first: number; last: number },
    { begin, into }: { begin: number; into: Uint8Array },
  ): Promise<void> => {
    const isInside = first >= begin && last <= begin + into.length;
    const bytes = isInside
      ? into.subarray(first - begin, last - begin)
      : new Uint8Array(last - first);
    await ranges.read(first, bytes);
    check(first, bytes);
    if (isInside) return;
    const from = Math.max(first, begin);
    const wanted = bytes.subarray(from - first, begin + into.length - first);
    into.set(wanted, from - begin);
  };

  const { name, size, maxGapBytes, maxCallBytes, maxInFlight } = ranges;
  return {
    name,
    size,
    maxGapBytes: Math.max(maxGapBytes, sums === undefined ? 0 : partBytes),
    maxCallBytes,
    maxInFlight,
    async read(begin, into): Promise<void> {
      const end = begin + into.length;
      if (begin === end) return;
      let next = Math.floor(begin / partBytes) * partBytes;
      const lane = async (): Promise<void> => {
        while (next < end) {
          const first = next;
          next += callBytes;
          const last = Math.min(next, Math.ceil(end / partBytes) * partBytes, size);
          await readCall({ first, last }, { begin, into }).catch((error: unknown) => {
            // The others need not go on.
            next = end;
            throw error;
          });
        }
      };
      await Promise.all(Array.from({ length: maxInFlight }, lane));
    },
    close: () => ranges.close(),
  };
}
