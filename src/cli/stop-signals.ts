/**
 * What a process does when it is told to stop: the first signal asks the command to end in good order, a later one
 * ends it at once. Knows signals and broken streams; not what is being stopped.
 */

/** Milliseconds in which more signals are the same wish: a key that bounces, a shell and a kernel that both hang up. */
const SAME_WISH_MS = 1000;

/** SIGHUP comes when the terminal is closed. */
const codes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** What is needed of `process`. */
export interface StoppableProcess {
  on(signal: keyof typeof codes, listener: () => void): unknown;
  exit(code: number): unknown;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
}

interface OutputStream {
  on(event: "error", listener: (error: NodeJS.ErrnoException) => void): unknown;
}

/** Aborted by the first signal. `now` gives milliseconds. */
export function stopSignalOf(
  process: StoppableProcess,
  now: () => number = () => performance.now(),
): AbortSignal {
  const controller = new AbortController();
  const { signal } = controller;
  let since = 0;
  for (const [name, code] of Object.entries(codes))
    process.on(name as keyof typeof codes, () => {
      if (!signal.aborted) {
        since = now();
        controller.abort();
      } else if (now() - since >= SAME_WISH_MS) process.exit(code);
    });
  process.stdout.on("error", (error) => {
    // What is under way when the reader goes (a save) matters more than what it would have read.
    if (signal.aborted || error.code === "EIO") return;
    // `engram … | head` closes the pipe early; that is no failure.
    if (error.code === "EPIPE") process.exit(0);
    else throw error;
  });
  // Nobody is left who could be told.
  process.stderr.on("error", () => undefined);
  return signal;
}
