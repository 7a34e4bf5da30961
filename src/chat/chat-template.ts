/**
 * Messages -> the text a model was trained on, by its chat template. The template is a stranger's program, so it runs in
 * a worker that can be stopped. Knows no request and no session.
 */
import type { Tokenizer } from "../tokenizer/index.ts";
import { type StartWorker, StoppableWorker } from "../worker/index.ts";
import type { ChatText, RenderTask, TemplateSource } from "./template-task.ts";

export type ChatMessage = RenderTask["messages"][number];

export interface RenderOptions {
  /** End with the beginning of the assistant's next message. Default true. */
  readonly addGenerationPrompt?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Milliseconds. A template of ten kilobytes and a thousand messages take 100. */
const limit = 5000;

/** `close` it to end its thread. */
export class ChatTemplate {
  readonly source: string;
  readonly #worker: StoppableWorker;

  constructor(
    source: string,
    { tokenizer, startWorker }: { tokenizer: Tokenizer; startWorker: StartWorker },
  ) {
    const { bounds, specialTokens } = tokenizer;
    const spelled = (id: number | undefined): string =>
      id === undefined ? "" : tokenizer.decode([id]);
    const input: TemplateSource = {
      source,
      marks: [...specialTokens.keys()],
      bos: spelled(bounds.bosTokenId),
      eos: spelled(bounds.stopIds[0]),
    };
    this.source = source;
    this.#worker = new StoppableWorker(startWorker, { first: { task: "setTemplate", input } });
  }

  /** Throws `RequestError` where the template refuses the messages or does not come to an end. */
  async render(
    messages: readonly ChatMessage[],
    { addGenerationPrompt = true, signal }: RenderOptions = {},
  ): Promise<ChatText> {
    const input: RenderTask = {
      messages: messages.map(({ role, content }) => ({ role, content })),
      addGenerationPrompt,
    };
    return (await this.#worker.run("render", input, {
      limit,
      tooSlow: "the model's chat template did not render these messages",
      signal,
    })) as ChatText;
  }

  close(): void {
    this.#worker.close();
  }
}

/** The ids of what was rendered. Special tokens come from the template alone: what a message spells is plain text. */
export async function encodeChat(
  tokenizer: Tokenizer,
  { text, literals }: ChatText,
  { signal }: Pick<RenderOptions, "signal"> = {},
): Promise<number[]> {
  return [...(await tokenizer.encode(text, { allowSpecial: true, literals, signal }))];
}
