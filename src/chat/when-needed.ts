/** What is loaded with the first conversation: whoever only continues texts does without. */
import type { Tasks } from "../worker/index.ts";
import type { ChatTemplate } from "./chat-template.ts";

export type AnyTemplate = Pick<ChatTemplate, keyof ChatTemplate>;

export function templateWhenNeeded(...of: ConstructorParameters<typeof ChatTemplate>): AnyTemplate {
  let loaded: Promise<ChatTemplate> | undefined;
  const load = async (): Promise<ChatTemplate> => {
    const { ChatTemplate: Template } = await import("./chat-template.ts");
    return new Template(...of);
  };
  return {
    source: of[0],
    render: async (...asked) => (await (loaded ??= load())).render(...asked),
    close: () => {
      // Where its code could not be loaded, `render` says so.
      loaded?.then(
        (template) => template.close(),
        () => {},
      );
    },
  };
}

/** See `template-task.ts`. */
export function templateTasks(): Tasks {
  let loaded: Promise<Tasks> | undefined;
  const load = async (): Promise<Tasks> => (await import("./template-task.ts")).templateTasks();
  const task =
    (name: string) =>
    async (input: unknown): Promise<unknown> =>
      (await (loaded ??= load()))[name]!(input as never);
  return {
    setTemplate: task("setTemplate"),
    render: task("render"),
  };
}
