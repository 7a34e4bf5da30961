/// <reference types="node" preserve="true" />
/**
 * `engram-lm/server`: OpenAI's interface to an open model, as a function and on a port, and what batches its texts.
 *
 * @module engram-lm/server
 */
export { Scheduler, type SchedulerOptions } from "./inference/index.ts";
export type { EngramServer, ServerOptions } from "./server/index.ts";
export { createServer, listen, type Listener, type ListenOptions } from "./server/node/index.ts";
