/**
 * A thread that starts before anybody needs it, and is the first that is asked for: starting one takes as long as opening a small
 * model, and goes on beside it. Knows no platform and no task.
 */
import type { StartWorker, WorkerHandlers, WorkerThread } from "./worker-thread.ts";

export interface EarlyWorker {
  readonly start: StartWorker;
  /** Ends the thread if nobody took it. */
  close(): void;
}

export function startedEarly(start: StartWorker): EarlyWorker {
  let taken: WorkerHandlers | undefined;
  let waiting: WorkerThread | undefined = start({
    onMessage: (message) => taken?.onMessage(message),
    onFailure: (error) => {
      // One that failed before its first job is nobody's: the job gets a new one.
      waiting = undefined;
      taken?.onFailure(error);
    },
  });
  waiting.keepAlive(false);
  return {
    start(handlers) {
      if (waiting === undefined) return start(handlers);
      taken = handlers;
      const thread = waiting;
      waiting = undefined;
      return thread;
    },
    close() {
      waiting?.terminate();
      waiting = undefined;
    },
  };
}
