/**
 * The connections of one HTTP server: their limit, and which are being answered. At the limit, connections that are
 * idle, or whose request has not arrived completely, are closed for new ones. They do not delay the server's end,
 * either. Knows sockets; not requests.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** Milliseconds for an incomplete request to arrive once the server is closing. */
const GRACE_MS = 1000;

/** Requests of a connection that are not answered yet. */
type UnderWay = Set<IncomingMessage>;

export class Connections {
  /** Ordered by last activity, oldest first. */
  readonly #open = new Map<Socket, UnderWay>();
  #isClosing = false;

  /** At most `most` at a time. */
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
        // Kept alive for requests that nobody will take any more.
        if (this.#isClosing && left.size === 0) socket.destroySoon();
      });
    });
  }

  /** The server is closing, and has ended what was idle: ends soon what has not arrived by then. */
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

  /** Whether a request has come over it whole, and its answer is not yet out. */
  #isAnswered(socket: Socket): boolean {
    return [...this.#open.get(socket)!].some(({ complete }) => complete);
  }
}
