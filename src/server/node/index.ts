/** The server on Node: its threads and its port. */
export { createServer, startServerWorker } from "./create-server.ts";
export { listen, type Listener, type ListenOptions } from "./listen.ts";
export { readPage } from "./page-files.ts";
