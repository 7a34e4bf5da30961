/**
 * Names of directories that are being written. A name says which process writes it, so that what a
 * killed process left behind can be told from what a living one is at work on.
 */
import { randomBytes } from "node:crypto";

/** `prefix` with this process and a random part behind it. */
export function partialName(prefix: string): string {
  return `${prefix}${process.pid}-${randomBytes(4).toString("hex")}`;
}

/** Whether `name` is one that `partialName` gives for this prefix. */
export function isPartialName(name: string, prefix: string): boolean {
  return writerOf(name, prefix) !== undefined;
}

/**
 * Whether `name` is a partial name with this prefix whose writer is gone. A writer with this
 * process's own id counts as gone: in a container each run has the same id, and a process saves one
 * thing at a time.
 */
export function isAbandoned(name: string, prefix: string): boolean {
  const pid = writerOf(name, prefix);
  return pid !== undefined && (pid === process.pid || !isRunning(pid));
}

function writerOf(name: string, prefix: string): number | undefined {
  const rest = name.startsWith(prefix) ? name.slice(prefix.length) : "";
  const pid = /^(\d+)-[0-9a-f]+$/.exec(rest)?.[1];
  return pid === undefined ? undefined : Number(pid);
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
