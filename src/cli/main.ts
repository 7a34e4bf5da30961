#!/usr/bin/env node
/**
 * The `engram` command: hands the arguments, the standard streams and the signals to stop to the frame. Holds no
 * behaviour of its own.
 */
import { commands } from "./registry.ts";
import { runCli } from "./run-cli.ts";
import { terminalOf } from "./terminal.ts";

// Rows of a table on disk are read by Node's thread pool, each read a thread; four of them leave most of a disk idle.
// The pool is made at its first use, which is after this line.
process.env["UV_THREADPOOL_SIZE"] ??= "16";
const controller = new AbortController();
for (const [name, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)
  process.on(name, () => {
    // The first Ctrl-C asks the command to stop in good order; the second does not ask.
    if (controller.signal.aborted) process.exit(code);
    controller.abort();
  });
// `engram … | head` closes the pipe early; that is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

process.exitCode = await runCli(process.argv.slice(2), {
  commands,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  signal: controller.signal,
  terminal: terminalOf(process),
});
