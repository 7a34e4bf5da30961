/** Starts the thread that renders chat templates. */
import type { StartWorker } from "../../worker/index.ts";
import { nodeWorker } from "../../worker/node/index.ts";

/** Many times the memory that an ordinary template needs. */
export const startTemplateWorker: StartWorker = nodeWorker("template-program", {
  from: import.meta.url,
  heapMiB: 256,
});
