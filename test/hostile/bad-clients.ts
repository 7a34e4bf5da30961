/**
 * Clients that nobody wants, over raw sockets, each kind again and again until told to stop: slow ones,
 * broken ones and hostile ones. For the test and the bench that run them beside good clients.
 */
import { connect, type Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";

export interface BadClients {
  /** Resolves to how often each kind came, once all are gone. */
  stop(): Promise<Readonly<Record<string, number>>>;
}

interface Visit {
  readonly socket: Socket;
  readonly signal: AbortSignal;
  /** Resolves at the first byte of the answer, or when the socket is gone. */
  readonly answered: Promise<void>;
}

function requestText(body: string, length = Buffer.byteLength(body)): string {
  return (
    "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
    `Content-Length: ${length}\r\n\r\n${body}`
  );
}

const longStream = JSON.stringify({
  prompt: "the",
  max_tokens: 60,
  stream: true,
  ignore_eos: true,
});

/** What one visit of each kind does; the socket is destroyed after it. */
const kinds: Readonly<Record<string, (visit: Visit) => Promise<unknown>>> = {
  async "reads nothing"({ socket, signal }) {
    socket.pause().write(requestText(longStream));
    await wait(2000, undefined, { signal });
  },
  async "reads a byte at a time"({ socket, signal }) {
    socket.pause().write(requestText(longStream));
    for (let i = 0; i < 40; i++) {
      await wait(25, undefined, { signal });
      socket.read(1);
    }
  },
  async "breaks off a stream"({ socket, answered }) {
    socket.write(requestText(longStream));
    await answered;
  },
  async "breaks off while waiting"({ socket, signal }) {
    socket.write(requestText(JSON.stringify({ prompt: "the", max_tokens: 30, n: 2 })));
    await wait(5, undefined, { signal });
  },
  async "stops within its body"({ socket, signal }) {
    socket.write(requestText('{"prompt":', 500));
    await wait(200, undefined, { signal });
  },
  async "drips its headers"({ socket, signal }) {
    for (const part of ["POST /v1/", "completions HTTP/1.1\r\n", "Host: local", "host\r\nX: "]) {
      socket.write(part);
      await wait(100, undefined, { signal });
    }
  },
  async "sends noise"({ socket, answered }) {
    socket.write(crypto.getRandomValues(new Uint8Array(4000)));
    socket.end("\r\n\r\n");
    await answered;
  },
  async "sends no JSON"({ socket, answered }) {
    socket.write(requestText("{".repeat(20_000)));
    await answered;
  },
  async "asks for what there is not"({ socket, answered }) {
    socket.write(requestText('{"prompt":[[1,-1]],"engram":{"return":["weights"]}}'));
    await answered;
  },
  async "sends too much"({ socket, signal }) {
    // Nobody may take it; the server is free to hang up in the middle.
    socket.write(requestText("[".repeat(6_000_000)));
    await wait(100, undefined, { signal });
  },
};

/** `each` clients of every kind at a time. */
export function startBadClients(port: number, { each = 1 }: { each?: number } = {}): BadClients {
  const controller = new AbortController();
  const { signal } = controller;
  const counts: Record<string, number> = {};
  const keepVisiting = async (name: string): Promise<void> => {
    while (!signal.aborted) {
      const socket = connect(port, "127.0.0.1");
      const gone = new Promise<void>((resolve) => socket.once("close", () => resolve()));
      socket.on("error", () => undefined);
      const answered = new Promise<void>((resolve) => {
        for (const event of ["readable", "close"] as const) socket.once(event, () => resolve());
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
      await kinds[name]!({ socket, signal, answered }).catch(() => undefined);
      socket.destroy();
      await gone;
      counts[name] = (counts[name] ?? 0) + 1;
      // A visitor that is done at once would otherwise be a test of accept().
      await wait(5);
    }
  };
  const all = Object.keys(kinds).flatMap((name) =>
    Array.from({ length: each }, () => keepVisiting(name)),
  );
  return {
    async stop() {
      controller.abort();
      await Promise.all(all);
      return counts;
    },
  };
}
