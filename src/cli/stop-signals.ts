/**
 * What a process does on signals to stop: the first asks the command to end cleanly, a later one ends the process at
 * once. Knows signals and broken streams; not what is being stopped.
 */

/** Signals within this time count as one: a key that bounces, a shell and a kernel that both send SIGHUP. */
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
    // Work that is in progress when the reader goes away (a save) is more important than the output.
    if (signal.aborted || error.code === "EIO") return;
    // `engram … | head` closes the pipe early; that is no failure.
    if (error.code === "EPIPE") process.exit(0);
    else throw error;
  });
  // There is nobody left to tell.
  process.stderr.on("error", () => undefined);
  return signal;
}
