/** The server with Node threads for untrusted input: large bodies, chat templates, grammars. Opens no port. */
import { startGrammarWorker } from "../../grammar/node/index.ts";
import type { Model } from "../../opened-model.ts";
import type { StartWorker } from "../../worker/index.ts";
import { nodeWorker } from "../../worker/node/index.ts";
import { createServer as createServerOn, type EngramServer } from "../app.ts";
import type { ServerOptions } from "../serving.ts";

/** Many times the memory that an ordinary template or a body of 4 MiB needs. */
export const startServerWorker: StartWorker = nodeWorker("server-program", {
  from: import.meta.url,
  heapMiB: 512,
});

/** Serves `model`. While it is still loading, requests are answered with status 503. */
export function createServer(
  model: Model | Promise<Model>,
  options: ServerOptions = {},
): EngramServer {
  return createServerOn(model, {
    startWorker: startServerWorker,
    startGrammarWorker,
    ...options,
  });
}
