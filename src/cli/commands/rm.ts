/** `engram rm`: gives back the disk that a pulled model takes. */
import * as z from "zod";
import { InvalidConfigError } from "../../errors.ts";
import { hubSettings, planRemoval } from "../../hub/node/index.ts";
import { parseModelName } from "../../hub/index.ts";
import { formatBytes } from "../../machine/index.ts";
import { pipedLines } from "../chat-lines.ts";
import { type Command, type CommandContext, defineCommand } from "../command.ts";

export const rmCommand: Command = defineCommand({
  path: "rm",
  summary: "remove a pulled model from the cache",
  description:
    "Removes the model NAME, as engram ls names it, from the cache that the Hugging Face Hub's clients share. Files " +
    "that another revision has, too, stay for it. Asks first in a terminal. Models outside the cache are never removed.",
  arguments: [{ name: "NAME", description: "owner/repo[:file.gguf][@revision]" }],
  options: [{ flags: "--yes", description: "do not ask" }],
  examples: [
    "rm HuggingFaceTB/SmolLM2-135M-Instruct",
    "rm HuggingFaceTB/SmolLM2-135M-Instruct --yes",
  ],
  schema: z.object({ name: z.string(), yes: z.boolean().optional() }),
  async run({ name: text, yes = false }, context) {
    const { cache } = hubSettings(context.env);
    const name = parseModelName(text);
    const removal = name && (await planRemoval(cache, name));
    if (removal === undefined)
      throw new InvalidConfigError(
        `${text} is not in ${cache}; engram ls names what is. A directory of your own is yours to remove`,
      );
    const { path, bytes } = removal;
    const question = `remove ${text} (${formatBytes(bytes)} in ${path})?`;
    if (!yes && !(await isConfirmed(question, context))) {
      context.progress.note("nothing was removed");
      return { name: text, removed: false, bytes: 0 };
    }
    await removal.remove();
    context.print(`removed ${text}: ${formatBytes(bytes)} are free again\n`);
    return { name: text, removed: true, bytes };
  },
});

async function isConfirmed(
  question: string,
  { isInteractive, console, print, signal }: CommandContext,
): Promise<boolean> {
  if (!isInteractive)
    throw new InvalidConfigError(`${question} There is no terminal to ask at; add --yes`);
  print(`${question} [y/N] `);
  using lines = pipedLines(console, signal);
  return /^y(es)?$/i.test(((await lines.read("")) ?? "").trim());
}
