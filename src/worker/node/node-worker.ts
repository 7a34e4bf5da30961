/** Workers as threads of Node. Knows how to start a thread and how it answers; not what it does. */
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { InvariantError } from "../../errors.ts";
import { answerTasks, type TaskMessage, type Tasks } from "../answer-tasks.ts";
import type { StartWorker } from "../worker-thread.ts";
import { afterProcessorTime } from "./processor-time.ts";

/**
 * `program` is the module that the thread runs, without its file extension. `from` is the `import.meta.url` of a module
 * in the same folder. It tells whether the folder holds sources or built files. A thread whose JavaScript heap exceeds
 * `heapMiB` is ended.
 */
export function nodeWorker(
  program: string,
  { from, heapMiB }: { from: string; heapMiB: number },
): StartWorker {
  const ending = /\.[cm]?[jt]s$/.exec(from)?.[0] ?? ".js";
  const url = new URL(`${program}${ending}`, from);
  return ({ onMessage, onFailure }) => {
    const worker = new Worker(url, {
      name: program,
      resourceLimits: { maxOldGenerationSizeMb: heapMiB },
      // Where NODE_COMPILE_CACHE is set, Node 24 ended the process in place of a thread that took too much memory.
      env: { ...process.env, NODE_DISABLE_COMPILE_CACHE: "1" },
    });
    let isEnded = false;
    const failed = (error: Error): void => {
      if (isEnded) return;
      isEnded = true;
      onFailure(error);
    };
    worker
      .on("message", onMessage)
      .on("error", failed)
      .on("exit", (code) => failed(new Error(`the thread ended with code ${code}`)));
    return {
      post: (message, transfer = []) => worker.postMessage(message, transfer),
      terminate() {
        isEnded = true;
        void worker.terminate();
      },
      keepAlive(isNeeded) {
        if (isNeeded) worker.ref();
        else worker.unref();
      },
      setTimeout: (then, milliseconds) => afterProcessorTime(then, milliseconds),
    };
  };
}

/** Makes the current thread a worker that answers `tasks`. */
export function answerAsThread(tasks: Tasks): void {
  if (isMainThread || parentPort === null)
    throw new InvariantError("expected to run as a thread beside the program, not as the program");
  const port = parentPort;
  port.on("message", async (message: TaskMessage) => {
    port.postMessage(await answerTasks(tasks, message));
  });
}
