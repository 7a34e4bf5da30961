/**
 * Messages -> a prompt's text, by the model's chat template. A template is an untrusted program, so it runs in a worker
 * that can be stopped. Knows no request and no session.
 */
import type { Tokenizer } from "../tokenizer/index.ts";
import { type StartWorker, StoppableWorker } from "../worker/index.ts";
import type { ChatMessage, ChatText, RenderTask, TemplateSource } from "./template-task.ts";
import { withToolsInText } from "./tool-calls.ts";

export type { ChatMessage };

export interface RenderOptions {
  /** End with the beginning of the assistant's next message. Default true. */
  readonly addGenerationPrompt?: boolean;
  /** What may be called, as OpenAI's interface describes it. Default: nothing. */
  readonly tools?: readonly object[];
  readonly signal?: AbortSignal | undefined;
}

/** Milliseconds for rendering. A template of ten kilobytes needs 100 for a thousand messages. */
const limit = 5000;

/** `close` ends its thread. */
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

  /** Throws `RequestError` if the template refuses the messages or does not finish in time. */
  async render(
    messages: readonly ChatMessage[],
    { addGenerationPrompt = true, tools = [], signal }: RenderOptions = {},
  ): Promise<ChatText> {
    // A template that knows tools names them.
    const knowsTools = /\btools\b/.test(this.source);
    const input: RenderTask = {
      messages: knowsTools ? messages : withToolsInText(messages, tools),
      tools: knowsTools ? tools : [],
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

/** The ids of a rendered text. Only the template can write special tokens: in messages, their texts are plain text. */
export async function encodeChat(
  tokenizer: Tokenizer,
  { text, literals }: ChatText,
  { signal }: Pick<RenderOptions, "signal"> = {},
): Promise<number[]> {
  return [...(await tokenizer.encode(text, { allowSpecial: true, literals, signal }))];
}
