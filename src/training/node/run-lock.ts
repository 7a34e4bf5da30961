/** The lock of a directory in which one process at a time trains or counts. Knows nothing of what is done there. */
import { join } from "node:path";
import {
  clearLock as clear,
  ProcessLock,
  refuseIfHeld as refuse,
  type Refusal,
} from "../../bytes/node/index.ts";

const NAME = "training.lock";

/** See `ProcessLock`. */
export class RunLock {
  readonly #lock: ProcessLock;

  private constructor(lock: ProcessLock) {
    this.#lock = lock;
  }

  /** Throws `InvalidConfigError` if a process holds `directory`, which must exist. */
  static async take(directory: string): Promise<RunLock> {
    return new RunLock(await ProcessLock.take(join(directory, NAME), refusalOf(directory)));
  }

  async release(): Promise<void> {
    await this.#lock.release();
  }
}

/** Removes the lock that a killed run left. Throws as `RunLock.take` does. */
export async function clearLock(directory: string): Promise<void> {
  await clear(join(directory, NAME), refusalOf(directory));
}

/** Throws as `RunLock.take` does, but does not lock. */
export async function refuseIfHeld(directory: string): Promise<void> {
  await refuse(join(directory, NAME), refusalOf(directory));
}

function refusalOf(directory: string): Refusal {
  return (holder, path) =>
    `${directory} is in use by ${holder}; wait for it or take another --out ` +
    `(if no such process exists, remove ${path})`;
}
