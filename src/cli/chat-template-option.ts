/** `--chat-template FILE`: a template in the place of the model's own, for all commands that hold conversations. */
import { readTextFile } from "../checkpoint/node/index.ts";

export const chatTemplateOption = {
  flags: "--chat-template <FILE>",
  description: "Jinja template that turns messages into a prompt (default: the model's)",
} as const;

export async function readChatTemplate(file: string | undefined): Promise<string | undefined> {
  return file === undefined ? undefined : readTextFile(file);
}
