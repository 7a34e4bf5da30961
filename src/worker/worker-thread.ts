/**
 * A thread beside this one, as a platform gives it: the seam that Node's threads and a browser's workers fit.
 * Knows no tasks.
 */

export interface WorkerHandlers {
  onMessage(message: unknown): void;
  /** The thread is gone without being told to go: it ran out of memory, or could not be started. */
  onFailure(error: Error): void;
}

export interface WorkerThread {
  /** `message` is copied as `structuredClone` copies; the buffers in `transfer` are moved. */
  post(message: unknown, transfer?: readonly ArrayBuffer[]): void;
  /** Ends the thread at once, in the middle of a loop or of a regular expression, too. */
  terminate(): void;
  /** Whether the thread keeps the program running. It is asked to while somebody waits for it. */
  keepAlive(isNeeded: boolean): void;
}

export type StartWorker = (handlers: WorkerHandlers) => WorkerThread;
