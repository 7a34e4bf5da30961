/**
 * What a failed write means, in words: a full disk, a limit, a directory that may not be written.
 * Knows the operating system's error codes and nothing of what was being written.
 */
import { EngramError, StoreError } from "../../errors.ts";

const reasons: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full; free space or choose another disk",
  EDQUOT: "the disk quota is used up; free space or choose another disk",
  EFBIG: "the file would be larger than this system allows (ulimit -f, or the file system's limit)",
  EROFS: "the file system is read-only; choose another directory",
  EACCES: "permission denied; choose a directory you may write to",
  EPERM: "permission denied; choose a directory you may write to",
  EIO: "the disk reported an error",
};

/**
 * `cause` as a `StoreError` that says what to do, if it came from the operating system; otherwise
 * `cause` itself. `what` is what was being written, for example a path.
 */
export function writeFailure(cause: unknown, what: string): unknown {
  if (cause instanceof EngramError || !(cause instanceof Error)) return cause;
  const { code } = cause as NodeJS.ErrnoException;
  // The platform's AbortError has a code, too, which is a number.
  if (typeof code !== "string") return cause;
  const reason = reasons[code] ?? cause.message;
  return new StoreError(`writing ${what} failed: ${reason}; nothing saved before was changed`, {
    cause,
  });
}
