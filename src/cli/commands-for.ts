/**
 * Which commands a command line needs. The registry loads the code of all: 750 modules, a second of a busy core. Those
 * that answer a person load their own, a third of it. Knows no options.
 */
import type { Command } from "./command.ts";

const alone: Readonly<Record<string, () => Promise<Command>>> = {
  chat: async () => (await import("./commands/chat.ts")).chatCommand,
  generate: async () => (await import("./commands/generate.ts")).generateCommand,
  serve: async () => (await import("./commands/serve.ts")).serveCommand,
};

/** The one that `words` name, or all: help, completion and the advice for misspelled words need them. */
export async function commandsFor([word]: readonly string[]): Promise<readonly Command[]> {
  const load = word !== undefined && Object.hasOwn(alone, word) ? alone[word] : undefined;
  return load === undefined ? (await import("./registry.ts")).commands : [await load()];
}
