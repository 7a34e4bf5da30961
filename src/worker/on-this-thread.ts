/**
 * A "worker" on the caller's own thread: for platforms without threads, and for tests that need none.
 * Its tasks cannot be stopped.
 */
import { answerTasks, type TaskMessage, type Tasks } from "./answer-tasks.ts";
import type { StartWorker } from "./worker-thread.ts";

export function onThisThread(makeTasks: () => Tasks): StartWorker {
  return ({ onMessage }) => {
    const tasks = makeTasks();
    let isEnded = false;
    return {
      async post(message) {
        const answer = await answerTasks(tasks, message as TaskMessage);
        if (!isEnded) onMessage(answer);
      },
      terminate() {
        isEnded = true;
      },
      keepAlive() {},
    };
  };
}
