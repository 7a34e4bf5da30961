/**
 * A thread as the platform gives it: the interface that Node's threads and a browser's workers both implement.
 * Knows no tasks.
 */

export interface WorkerHandlers {
  onMessage(message: unknown): void;
  /** The thread ended by itself: it ran out of memory, or could not be started. */
  onFailure(error: Error): void;
}

export interface WorkerThread {
  /** `message` is cloned as by `structuredClone`. The buffers in `transfer` are moved. */
  post(message: unknown, transfer?: readonly ArrayBuffer[]): void;
  /** Ends the thread immediately, even inside a loop or a regular expression. */
  terminate(): void;
  /** Whether the thread keeps the process alive. It should while a caller waits for it. */
  keepAlive(isNeeded: boolean): void;
  /** As `setTimeout`, but of the processor's time that it may have had. Absent: the clock is all there is. */
  readonly setTimeout?: (then: () => void, milliseconds: number) => ReturnType<typeof setTimeout>;
}

export type StartWorker = (handlers: WorkerHandlers) => WorkerThread;
