/**
 * A lock file, so that one process at a time trains or counts in a directory. It names the process that holds it. A
 * lock is void if that process has ended, so a killed run does not lock the directory for ever. Knows nothing of what is
 * done there.
 */
import { readFileSync } from "node:fs";
import { open, readFile, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { InvalidConfigError } from "../../errors.ts";

interface Holder {
  readonly pid: number;
  readonly host: string;
  /** Distinguishes processes with the same number: containers reuse the same few numbers. */
  readonly started?: string | undefined;
}

const NAME = "training.lock";

export class RunLock {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Throws `InvalidConfigError` if a process holds `directory`, which must exist. */
  static async take(directory: string): Promise<RunLock> {
    const path = join(directory, NAME);
    for (;;) {
      try {
        const file = await open(path, "wx");
        try {
          await file.writeFile(JSON.stringify(self()));
        } finally {
          await file.close();
        }
        return new RunLock(path);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
      await refuseIfHeld(directory);
      // Two processes that find a dead holder at the same moment could both continue. We accept that: runs
      // that start at once should have two --out.
      await rm(path, { force: true });
    }
  }

  async release(): Promise<void> {
    await rm(this.#path, { force: true });
  }
}

/** Removes the lock that a killed run left. Throws as `RunLock.take` does. */
export async function clearLock(directory: string): Promise<void> {
  await refuseIfHeld(directory);
  await rm(join(directory, NAME), { force: true });
}

/** Throws as `RunLock.take` does, but does not lock. */
export async function refuseIfHeld(directory: string): Promise<void> {
  const path = join(directory, NAME);
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return;
  let holder: Holder;
  try {
    holder = JSON.parse(text) as Holder;
  } catch {
    // Truncated: its writer was killed before it trained.
    return;
  }
  const { pid, host } = holder;
  if (host === hostname() && !isAlive(holder)) return;
  throw new InvalidConfigError(
    `${directory} is in use by process ${pid} on ${host}; wait for it or take another --out ` +
      `(if no such process exists, remove ${path})`,
  );
}

function self(): Holder {
  return { pid: process.pid, host: hostname(), started: startOf(process.pid) };
}

function isAlive({ pid, started }: Holder): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // We may not signal the process, but it exists.
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  const now = startOf(pid);
  return now !== DEAD && (started === undefined || now === undefined || started === now);
}

const DEAD = "dead";

/**
 * The start time of a process, in a form of its system; undefined where that is unknown. For a zombie it is `DEAD`:
 * in a container its parent may never reap it.
 */
function startOf(pid: number): string | undefined {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Fields 3 and 22 of proc_pid_stat(5); the second, a name in brackets, may hold anything.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? DEAD : `${boot} ${fields[19]}`;
  } catch {
    return undefined;
  }
}
