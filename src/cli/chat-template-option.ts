/** `--chat-template FILE`: a template in the place of the model's own, for all commands that hold conversations. */
import type { CommandContext } from "./command.ts";
import { readGiven } from "./given-text.ts";

export const chatTemplateOption = {
  flags: "--chat-template <FILE>",
  description: "Jinja template that turns messages into a prompt (default: the model's)",
} as const;

export async function readChatTemplate(
  file: string | undefined,
  context: CommandContext,
): Promise<string | undefined> {
  return file === undefined ? undefined : readGiven(file, context);
}
