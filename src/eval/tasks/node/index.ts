/** Tasks on files and threads of Node. */
export { openJudge, type OpenJudge } from "./judge-worker.ts";
export { openTasks } from "./open-tasks.ts";
