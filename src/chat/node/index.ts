/** Chat templates on Node, in a thread. */
export { startTemplateWorker } from "./template-worker.ts";
