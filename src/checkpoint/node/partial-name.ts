/**
 * Names of directories that are being written. A name says which process writes it, so that what a
 * killed process left behind can be told from what a living one is at work on.
 */
import { randomBytes } from "node:crypto";

/** `prefix` with this process and a random part behind it. */
export function partialName(prefix: string): string {
  return `${prefix}${process.pid}-${randomBytes(4).toString("hex")}`;
}

/**
 * Whether `name` is a partial name with this prefix whose writer is gone. A writer with this
 * process's own id counts as gone: in a container each run has the same id, and a process saves one
 * thing at a time.
 */
export function isAbandoned(name: string, prefix: string): boolean {
  const [, pid] =
    /^(\d+)-[0-9a-f]+$/.exec(name.startsWith(prefix) ? name.slice(prefix.length) : "") ?? [];
  if (pid === undefined) return false;
  return Number(pid) === process.pid || !isRunning(Number(pid));
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it runs, under another user.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
