/**
 * A server on a port until a signal: opens the port, says when requests are answered, and on the first
 * signal lets the running ones finish. Knows sockets and signals; not which model is served.
 */
import type { EngramServer } from "../server/index.ts";
import { listen, type Listener } from "../server/node/index.ts";
import type { CommandContext } from "./command.ts";
import { untilAborted } from "./until-aborted.ts";

/** Milliseconds that running requests have to finish after the first signal. */
const patience = 30_000;

export interface ServeUntilStoppedOptions {
  readonly host: string;
  /** The first of these that is free; 0 takes any. */
  readonly ports: readonly number[];
  readonly context: Pick<CommandContext, "progress" | "signal">;
  /** Called once requests are answered; the server goes on meanwhile. */
  readonly onReady: (url: string) => void;
}

/** Closes `server` in the end, and resolves to the address it had. */
export async function serveUntilStopped(
  server: EngramServer,
  { host, ports, context: { progress, signal }, onReady }: ServeUntilStoppedOptions,
): Promise<string> {
  let listener: Listener | undefined;
  try {
    listener = await listenOnFree(server, { host, ports });
    await server.ready;
    onReady(listener.url);
    await untilAborted(signal);
    progress.note("finishing what is running; once more to stop at once");
    await Promise.race([
      Promise.all([server.drain(), listener.close()]),
      new Promise((resolve) => setTimeout(resolve, patience).unref()),
    ]);
    return listener.url;
  } finally {
    await server.close();
    listener?.destroy();
  }
}

async function listenOnFree(
  { fetch }: EngramServer,
  { host, ports }: { host: string; ports: readonly number[] },
): Promise<Listener> {
  for (const port of ports.slice(0, -1))
    try {
      return await listen(fetch, { host, port });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    }
  return listen(fetch, { host, port: ports.at(-1)! });
}
