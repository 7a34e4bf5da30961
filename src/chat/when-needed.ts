/** What is loaded with the first conversation: whoever only continues texts does without. */
import { whenNeeded } from "../when-needed.ts";
import type { Tasks } from "../worker/index.ts";
import type { ChatTemplate } from "./chat-template.ts";

export type AnyTemplate = Pick<ChatTemplate, keyof ChatTemplate>;

export function templateWhenNeeded(...of: ConstructorParameters<typeof ChatTemplate>): AnyTemplate {
  const load = whenNeeded(async () => new (await import("./chat-template.ts")).ChatTemplate(...of));
  return {
    source: of[0],
    render: async (...asked) => (await load()).render(...asked),
    close: () => void load.ifMade((template) => template.close()),
  };
}

/** See `template-task.ts`. */
export function templateTasks(): Tasks {
  const load = whenNeeded(async () => (await import("./template-task.ts")).templateTasks());
  const task =
    (name: string) =>
    async (input: unknown): Promise<unknown> =>
      (await load())[name]!(input as never);
  return {
    setTemplate: task("setTemplate"),
    render: task("render"),
  };
}
