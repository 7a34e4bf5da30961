/** The server on a port, by Node's own listener. */
export { listen, type Listener, type ListenOptions } from "./listen.ts";
export { readPage } from "./page-files.ts";
