#!/usr/bin/env node
/**
 * The `engram` command: hands the arguments, the standard streams and the signals to stop to the frame. Holds no
 * behaviour of its own.
 */
import module from "node:module";
import { complaintAbout } from "./node-version.ts";
import { stopSignalOf } from "./stop-signals.ts";
import { terminalOf } from "./terminal.ts";

const complaint = complaintAbout(process.versions.node);
if (complaint !== undefined) {
  process.stderr.write(`${complaint}\n`);
  process.exit(1);
}
// Most of a start is compiling our sources; what was compiled once is kept (where Node can: 22.8 and later).
module.enableCompileCache?.();
// Rows of a table on disk are read by Node's thread pool, each read a thread; four of them leave most of a disk idle.
// The pool is made at its first use, which is after this line.
process.env["UV_THREADPOOL_SIZE"] ??= "16";
const signal = stopSignalOf(process);

// Imported here, since what is imported above is compiled before the line that would keep it.
const [{ commandsFor }, { runCli }] = await Promise.all([
  import("./commands-for.ts"),
  import("./run-cli.ts"),
]);
const words = process.argv.slice(2);
process.exitCode = await runCli(words, {
  commands: await commandsFor(words),
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  signal,
  terminal: terminalOf(process),
});
