/** Workers as threads of Node. */
export { answerAsThread, nodeWorker } from "./node-worker.ts";
