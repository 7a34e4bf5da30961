/** The server on Node: with its threads, and on a port. */
export { createServer, startServerWorker } from "./create-server.ts";
export { listen, type Listener, type ListenOptions } from "./listen.ts";
export { readPage } from "./page-files.ts";
