/** A port of this machine in front of the server's function. Knows sockets; not what is served. */
import { serve } from "@hono/node-server";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { InvalidConfigError } from "../../errors.ts";
import { Connections } from "./connections.ts";

export interface ListenOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /**
   * Seconds that an idle connection is kept. Default 120: clients that reuse connections must close them first, or
   * their next request is lost. nginx and Amazon's balancer keep them for 60 s, Go for 90 s.
   */
  readonly keepAlive?: number;
  /** Connections at a time; at the limit the longest idle one is closed for a new one. Default 1024. */
  readonly maxConnections?: number;
}

export interface Listener {
  /** Where it can be reached, without a slash at the end. */
  readonly url: string;
  readonly port: number;
  /** Accepts no more connections, waits for running answers, and closes the rest. */
  close(): Promise<void>;
  /** Frees the port and closes every connection at once. */
  destroy(): void;
}

/** Milliseconds for the headers of a request, and for all of it. Node's defaults are 60 s and 5 min. */
const headersTimeout = 15_000;
const requestTimeout = 120_000;

/** Resolves when the port is open. Rejects with `InvalidConfigError` where it cannot be, the system's error its cause. */
export function listen(
  fetch: (request: Request) => Promise<Response>,
  { host, port, keepAlive = 120, maxConnections = 1024 }: ListenOptions,
): Promise<Listener> {
  return new Promise((resolve, reject) => {
    const serverOptions = {
      keepAliveTimeout: keepAlive * 1000,
      headersTimeout,
      requestTimeout,
      // How often the two limits are checked; with Node's 30 s, 15 s could become 45 s.
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
      // Without a `createServer` option it is one of node:http.
    }) as Server;
    const connections = new Connections(server, { most: maxConnections });
    // Stays on: an accept that fails later costs one connection, not the process.
    server.on("error", (error) => reject(refusalOf(error, { host, port })));
  });
}

/** What keeps a port from opening, by the system's word for it. */
const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: "another program has it; stop that one, or choose another port (0 takes a free one)",
  EACCES: "ports below 1024 are for administrators; choose one from 1024 on",
  EADDRNOTAVAIL: "that is no address of this machine; expected one, or 0.0.0.0 for all of them",
  ENOTFOUND: "there is no host of that name; expected an address of this machine",
  EAI_AGAIN: "the name could not be looked up; expected an address of this machine",
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
