/** The command line. Nothing in the library imports this; tests and `main.ts` do. */
export { type CliWorld, runCli } from "./run-cli.ts";
export { type Command, type CommandContext, type CommandSpec, defineCommand } from "./command.ts";
