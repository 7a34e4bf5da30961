/** The command line, for programs that run it inside themselves. Nothing in the library imports this. */
export { type CliWorld, runCli } from "./run-cli.ts";
export { type Command, type CommandContext, type CommandSpec, defineCommand } from "./command.ts";
