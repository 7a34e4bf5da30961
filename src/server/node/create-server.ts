/** The server with threads of Node for what strangers wrote. Opens no port. */
import type { Model } from "../../open-model.ts";
import type { StartWorker } from "../../worker/index.ts";
import { nodeWorker } from "../../worker/node/index.ts";
import { createServer as createServerOn, type EngramServer } from "../app.ts";
import type { ServerOptions } from "../serving.ts";

/** Many times what an honest template or a body of 4 MiB takes. */
export const startServerWorker: StartWorker = nodeWorker("server-program", {
  from: import.meta.url,
  heapMiB: 512,
});

/** Serves `model`, which may still be loading: until it is there, requests are answered with 503. */
export function createServer(
  model: Model | Promise<Model>,
  options: ServerOptions = {},
): EngramServer {
  return createServerOn(model, { startWorker: startServerWorker, ...options });
}
