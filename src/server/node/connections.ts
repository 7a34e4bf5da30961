/**
 * Limits the connections of one HTTP server. At the limit, a new connection replaces one that is idle or whose request
 * has not arrived completely. Such connections do not delay the server's end either. Knows sockets; not requests.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** Milliseconds for an incomplete request to arrive once the server is closing. */
const GRACE_MS = 1000;

/** Requests of one connection that are not answered yet. */
type UnderWay = Set<IncomingMessage>;

export class Connections {
  /** Ordered by last activity, oldest first. */
  readonly #open = new Map<Socket, UnderWay>();
  #isClosing = false;

  /** Allows at most `most` connections at a time. */
  constructor(server: Server, { most }: { readonly most: number }) {
    server.on("connection", (socket: Socket) => {
      if (this.#open.size >= most && !this.#makeRoom()) {
        socket.destroy();
        return;
      }
      this.#open.set(socket, new Set());
      socket.once("close", () => this.#open.delete(socket));
    });
    server.prependListener("request", (request: IncomingMessage, response: ServerResponse) => {
      const { socket } = request;
      this.#touch(socket).add(request);
      response.once("close", () => {
        const left = this.#touch(socket);
        left.delete(request);
        // A keep-alive connection is of no use to a server that is closing.
        if (this.#isClosing && left.size === 0) socket.destroySoon();
      });
    });
  }

  /** Call when the server is closing. Drops requests that have not arrived completely within the grace period. */
  close(): void {
    this.#isClosing = true;
    setTimeout(() => {
      for (const socket of this.#open.keys()) if (!this.#isAnswered(socket)) socket.destroy();
    }, GRACE_MS).unref();
  }

  #touch(socket: Socket): UnderWay {
    const underWay = this.#open.get(socket) ?? new Set();
    if (this.#open.delete(socket)) this.#open.set(socket, underWay);
    return underWay;
  }

  #makeRoom(): boolean {
    for (const socket of this.#open.keys()) {
      if (this.#isAnswered(socket)) continue;
      this.#open.delete(socket);
      socket.destroy();
      return true;
    }
    return false;
  }

  /** Whether a request has arrived completely and its answer is not finished. */
  #isAnswered(socket: Socket): boolean {
    return [...this.#open.get(socket)!].some(({ complete }) => complete);
  }
}
