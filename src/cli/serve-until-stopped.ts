/**
 * Runs a server until a signal. Opens the port, reports when it is ready, and on the first signal lets running
 * requests finish. Knows sockets and signals; not which model is served.
 */
import type { EngramServer } from "../server/index.ts";
import { listen, type Listener } from "../server/node/index.ts";
import type { CommandContext } from "./command.ts";
import { untilAborted } from "./until-aborted.ts";

/** How long running requests may take to finish after the first signal, in milliseconds. */
const patience = 30_000;

export interface ServeUntilStoppedOptions {
  readonly host: string;
  /** The first of these that is free; 0 takes any. */
  readonly ports: readonly number[];
  /** How long idle connections stay open, in seconds. */
  readonly keepAlive?: number | undefined;
  readonly context: Pick<CommandContext, "progress" | "signal">;
  /** Called once requests are answered; the server goes on meanwhile. */
  readonly onReady: (url: string, server: EngramServer) => void;
}

/**
 * Opens the port, then the server; closes it at the end, and resolves to its address. The port comes first, so that
 * nothing is loaded if it is taken. Requests get 503 until the server is ready.
 */
export async function serveUntilStopped(
  open: () => EngramServer,
  { context: { progress, signal }, onReady, ...place }: ServeUntilStoppedOptions,
): Promise<string> {
  let server: EngramServer | undefined;
  // No request comes before `open` has returned: it is called before the next turn of the event loop.
  const listener = await listenOnFree((request) => server!.fetch(request), place);
  try {
    server = open();
    await server.ready;
    onReady(listener.url, server);
    await untilAborted(signal);
    progress.note("finishing what is running; once more to stop at once");
    await Promise.race([
      Promise.all([server.drain(), listener.close()]),
      new Promise((resolve) => setTimeout(resolve, patience).unref()),
    ]);
    return listener.url;
  } finally {
    await server?.close();
    listener.destroy();
  }
}

async function listenOnFree(
  fetch: EngramServer["fetch"],
  { host, ports, keepAlive }: Pick<ServeUntilStoppedOptions, "host" | "ports" | "keepAlive">,
): Promise<Listener> {
  const options = { host, ...(keepAlive !== undefined && { keepAlive }) };
  for (const port of ports.slice(0, -1))
    try {
      return await listen(fetch, { ...options, port });
    } catch (error) {
      if (!isTaken(error)) throw error;
    }
  return listen(fetch, { ...options, port: ports.at(-1)! });
}

function isTaken(error: unknown): boolean {
  const { cause } = error as Error;
  return (cause as NodeJS.ErrnoException | undefined)?.code === "EADDRINUSE";
}
