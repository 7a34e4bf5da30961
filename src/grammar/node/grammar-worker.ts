/** The threads that compile grammars and follow them. */
import type { StartWorker } from "../../worker/index.ts";
import { nodeWorker } from "../../worker/node/index.ts";

/** Most of what XGrammar uses is WebAssembly's memory, which has a limit of its own (`load-xgrammar.ts`). */
export const startGrammarWorker: StartWorker = nodeWorker("grammar-program", {
  from: import.meta.url,
  heapMiB: 256,
});
