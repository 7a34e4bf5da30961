/**
 * A lock file: one process at a time works in a place. It names the process that holds it. A lock is void if that process
 * has ended, so a killed one does not lock the place for ever. Knows nothing of what is done there.
 */
import { readFileSync } from "node:fs";
import { link, lstat, readFile, rename, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { InvalidConfigError } from "../../errors.ts";

interface Holder {
  readonly pid: number;
  readonly host: string;
  /** Distinguishes processes with the same number: containers reuse the same few numbers. */
  readonly started?: string | undefined;
}

/** Says what is in use, by the words "process 12 on host" and the lock's path. */
export type Refusal = (holder: string, path: string) => string;

export class ProcessLock {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Throws `InvalidConfigError` if a process holds `path`, whose directory must exist. */
  static async take(path: string, refusal: Refusal): Promise<ProcessLock> {
    for (;;) {
      if (await isCreated(path, JSON.stringify(self()))) return new ProcessLock(path);
      await refuseIfHeld(path, refusal);
      await removeVoid(path, refusal);
    }
  }

  async release(): Promise<void> {
    await rm(this.#path, { force: true });
  }
}

/** Removes the lock that a killed process left. Throws as `ProcessLock.take` does. */
export async function clearLock(path: string, refusal: Refusal): Promise<void> {
  await refuseIfHeld(path, refusal);
  await rm(path, { force: true });
}

/** Throws as `ProcessLock.take` does, but does not lock. */
export async function refuseIfHeld(path: string, refusal: Refusal): Promise<void> {
  // Whoever laid out the directory may have left anything under that name.
  if ((await lstat(path).catch(() => undefined))?.isFile() !== true) return;
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return;
  let holder: Holder;
  try {
    holder = Object(JSON.parse(text)) as Holder;
  } catch {
    // Truncated: its writer was killed before it worked.
    return;
  }
  const { pid, host } = holder;
  if (!Number.isSafeInteger(pid) || pid <= 0) return;
  if (host === hostname() && !isAlive(holder)) return;
  throw new InvalidConfigError(refusal(`process ${pid} on ${host}`, path));
}

/** False if it is there. A lock is never seen half written, but on a file system without links. */
async function isCreated(path: string, text: string): Promise<boolean> {
  // A name that nobody can have laid out: what is there may lead elsewhere.
  const draft = `${path}.${crypto.randomUUID()}`;
  try {
    await writeFile(draft, text, { flag: "wx" });
    await link(draft, path).catch((error: unknown) => {
      if (isThere(error)) throw error;
      return writeFile(path, text, { flag: "wx" });
    });
    return true;
  } catch (error) {
    if (isThere(error)) return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

function isThere(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "EEXIST";
}

/** Two processes may find a dead holder at the same moment. The lock that the other one has taken since is put back. */
async function removeVoid(path: string, refusal: Refusal): Promise<void> {
  const aside = `${path}.${process.pid}.void`;
  try {
    await rename(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  try {
    await refuseIfHeld(aside, (holder) => refusal(holder, path));
  } catch (error) {
    await rename(aside, path);
    throw error;
  }
  await rm(aside, { force: true });
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
