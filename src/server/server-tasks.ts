/** What a server's workers do. Knows no thread. */
import { templateTasks } from "../chat/index.ts";
import type { Tasks } from "../worker/index.ts";
import { bodyTasks } from "./body-task.ts";

export function serverTasks(): Tasks {
  return { ...bodyTasks(), ...templateTasks() };
}
