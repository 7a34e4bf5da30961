/** A port of this machine in front of the server's function. Knows sockets; not what is served. */
import { serve } from "@hono/node-server";
import type { AddressInfo } from "node:net";

export interface ListenOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

export interface Listener {
  /** Where it can be reached, without a slash at the end. */
  readonly url: string;
  readonly port: number;
  /** Takes no more connections, waits for the answers under way, and closes what is left. */
  close(): Promise<void>;
  /** Gives the port back and closes every connection at once. */
  destroy(): void;
}

/** Resolves when the port is open. Rejects with the system's error if it cannot be. */
export function listen(
  fetch: (request: Request) => Promise<Response>,
  { host, port }: ListenOptions,
): Promise<Listener> {
  return new Promise((resolve, reject) => {
    const server = serve({ fetch, hostname: host, port }, (info: AddressInfo) => {
      const name = info.family === "IPv6" ? `[${info.address}]` : info.address;
      resolve({
        url: `http://${name}:${info.port}`,
        port: info.port,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            if ("closeIdleConnections" in server) server.closeIdleConnections();
          }),
        destroy: () => {
          server.close();
          if ("closeAllConnections" in server) server.closeAllConnections();
        },
      });
    });
    server.once("error", reject);
  });
}
