/** Chat templates on Node: in a thread of their own. */
export { startTemplateWorker } from "./template-worker.ts";
