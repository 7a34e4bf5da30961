/**
 * A directory for work that goes on where it broke off: one process at a time works in it, and when the work is done it
 * is gone. Knows nothing of the work.
 */
import { mkdir, rm, rmdir } from "node:fs/promises";
import { RunLock } from "./run-lock.ts";

/** If the work fails, what it left stays for the next attempt. Throws as `RunLock.take` does. */
export async function inWorkDirectory<T>(directory: string, work: () => Promise<T>): Promise<T> {
  await mkdir(directory, { recursive: true });
  const lock = await RunLock.take(directory);
  let done: T;
  try {
    done = await work();
  } catch (error) {
    await lock.release();
    // It goes if the work left nothing.
    await rmdir(directory).catch(() => undefined);
    throw error;
  }
  await rm(directory, { recursive: true });
  return done;
}
