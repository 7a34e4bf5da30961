/**
 * The worker's tasks for chat templates: renders messages with the model's own Jinja template, and finds the text that
 * must not become control tokens. Knows no request, no tokenizer and no thread.
 */
import { Template } from "@huggingface/jinja";
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

export interface RenderTask {
  readonly messages: readonly { readonly role: string; readonly content: string }[];
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
    render({ messages, addGenerationPrompt }: RenderTask): ChatText {
      if (template === undefined) throw new InvariantError("render was called before setTemplate");
      const { source, marks, bos, eos } = template;
      try {
        parsed ??= new Template(source);
        const hidden = hideMarks(
          messages.map(({ content }) => content),
          { marks, others: [source, bos, eos] },
        );
        const made = parsed.render({
          messages: messages.map(({ role }, i) => ({
            // Templates know this role only by its older name.
            role: role === "developer" ? "system" : role,
            content: hidden.texts[i],
          })),
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
