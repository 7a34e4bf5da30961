/**
 * The worker's tasks for chat templates: renders messages with the model's own Jinja template, and finds the text that
 * must not become control tokens. Knows no request, no tokenizer and no thread.
 */
import type { Template } from "@huggingface/jinja";
import { InvariantError, RequestError } from "../errors.ts";
import type { Tasks } from "../worker/index.ts";
import { hideMarks } from "./stand-ins.ts";

/** What a worker needs before it can render. */
export interface TemplateSource {
  /** Jinja source. */
  readonly source: string;
  /** Texts of the special tokens. Only the template's own markup may contain them. */
  readonly marks: readonly string[];
  /** Text of the end-of-text token, or "". */
  readonly bos: string;
  readonly eos: string;
}

export interface ChatMessage {
  readonly role: string;
  readonly content: string;
  /** What an assistant's message calls. */
  readonly toolCalls?: readonly ToolCall[] | undefined;
}

export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** As JSON has them. */
  readonly arguments?: unknown;
}

export interface RenderTask {
  readonly messages: readonly ChatMessage[];
  /** As OpenAI's interface describes them. */
  readonly tools: readonly object[];
  readonly addGenerationPrompt: boolean;
}

export interface ChatText {
  readonly text: string;
  /** See `EncodeOptions`. */
  readonly literals: Int32Array;
}

/** Most UTF-16 units of a rendered text: four times as many as a request can have. */
const longest = 2 ** 24;

export function templateTasks(): Tasks {
  let template: TemplateSource | undefined;
  let parsed: Template | undefined;
  return {
    setTemplate(given: TemplateSource) {
      template = given;
    },
    async render({ messages, tools, addGenerationPrompt }: RenderTask): Promise<ChatText> {
      if (template === undefined) throw new InvariantError("render was called before setTemplate");
      const { source, marks, bos, eos } = template;
      // Loaded by whoever has a template: a page's worker may never.
      const { Template: Jinja } = await import("@huggingface/jinja");
      try {
        parsed ??= new Jinja(source);
        const given = { contents: messages.map(contentsOf), tools };
        const texts: string[] = [];
        mapTexts(given, (text) => (texts.push(text), text));
        const hidden = hideMarks(texts, { marks, others: [source, bos, eos] });
        let at = 0;
        const shown = mapTexts(given, () => hidden.texts[at++]!) as typeof given;
        const made = parsed.render({
          messages: messages.map(({ role }, i) => ({
            // Templates know this role only by its older name.
            role: role === "developer" ? "system" : role,
            ...shown.contents[i],
          })),
          ...(tools.length > 0 && { tools: shown.tools }),
          add_generation_prompt: addGenerationPrompt,
          bos_token: bos,
          eos_token: eos,
        });
        if (made.length > longest)
          throw new RangeError(`it makes ${made.length} characters, more than ${longest}`);
        return hidden.reveal(made);
      } catch (cause) {
        throw new RequestError(
          `the model's chat template does not take these messages: ${(cause as Error).message}`,
          { cause },
        );
      }
    },
  };
}

/** A message without its role, as templates have it. */
function contentsOf({ content, toolCalls }: ChatMessage): object {
  const calls = toolCalls?.map(({ id, ...call }) => ({ id, type: "function", function: call }));
  return { content, ...(calls && { tool_calls: calls }) };
}

/** The same value with each of its texts, names included, as `change` has it. */
function mapTexts(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === "string") return change(value);
  if (Array.isArray(value)) return value.map((one) => mapTexts(one, change));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [change(name), mapTexts(one, change)]),
  );
}
