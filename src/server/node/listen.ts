/** Listens on a port and passes requests to the server's fetch function. Knows sockets; not what is served. */
import { serve } from "@hono/node-server";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { InvalidConfigError } from "../../errors.ts";
import { Connections } from "./connections.ts";

/** Where to listen, and how many connections are kept for how long. */
export interface ListenOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /**
   * Seconds until an idle connection is closed. Default 120. It must be longer than the clients' own time, or a request
   * may be sent into a closed connection: nginx and Amazon's load balancer keep connections for 60 s, Go for 90 s.
   */
  readonly keepAlive?: number;
  /** Most connections at a time. At the limit, a new one replaces the one that is idle longest. Default 1024. */
  readonly maxConnections?: number;
}

/** An open port. */
export interface Listener {
  /** The server's URL, without a slash at the end. */
  readonly url: string;
  readonly port: number;
  /** Accepts no more connections, waits for running answers, and closes the rest. */
  close(): Promise<void>;
  /** Frees the port and closes every connection at once. */
  destroy(): void;
}

/** Milliseconds for the headers of a request, and for the whole request. Node's defaults are 60 s and 5 min. */
const headersTimeout = 15_000;
const requestTimeout = 120_000;

/** Resolves when the port is open. Rejects with `InvalidConfigError` if it cannot be opened; `cause` is the system's error. */
export function listen(
  fetch: (request: Request) => Promise<Response>,
  { host, port, keepAlive = 120, maxConnections = 1024 }: ListenOptions,
): Promise<Listener> {
  return new Promise((resolve, reject) => {
    const serverOptions = {
      keepAliveTimeout: keepAlive * 1000,
      headersTimeout,
      requestTimeout,
      // How often the two limits are checked. With Node's default of 30 s, 15 s could become 45 s.
      connectionsCheckingInterval: 1000,
    };
    const server = serve({ fetch, hostname: host, port, serverOptions }, (info: AddressInfo) => {
      const name = info.family === "IPv6" ? `[${info.address}]` : info.address;
      resolve({
        url: `http://${name}:${info.port}`,
        port: info.port,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            connections.close();
          }),
        destroy: () => {
          server.close();
          server.closeAllConnections();
        },
      });
      // Without the option `createServer`, the type is node:http's.
    }) as Server;
    const connections = new Connections(server, { most: maxConnections });
    // Also handles later errors: an accept that fails must not end the process.
    server.on("error", (error) => reject(refusalOf(error, { host, port })));
  });
}

/** Reasons by the system's error code. */
const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE:
    "another program uses it; stop that program, or choose another port (0 takes a free one)",
  EACCES: "ports below 1024 need administrator rights; choose 1024 or above",
  EADDRNOTAVAIL:
    "this machine does not have that address; use one of its own, or 0.0.0.0 for all of them",
  ENOTFOUND: "there is no host with that name; use an address of this machine",
  EAI_AGAIN: "the name could not be looked up; use an address of this machine",
};

function refusalOf(
  error: NodeJS.ErrnoException,
  { host, port }: { host: string; port: number },
): Error {
  const reason = reasons[error.code ?? ""] ?? error.message;
  return new InvalidConfigError(`cannot listen on port ${port} of ${host}: ${reason}`, {
    cause: error,
  });
}
