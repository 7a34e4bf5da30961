/** What a server's workers do. Knows no thread. */
import type { Tasks } from "../worker/index.ts";
import { bodyTasks } from "./body-task.ts";
import { chatTasks } from "./chat-task.ts";

export function serverTasks(): Tasks {
  return { ...bodyTasks(), ...chatTasks() };
}
