/**
 * Calls of tools as Hermes' and Qwen's templates write them: `<tool_call>`, a JSON object of name and arguments,
 * `</tool_call>`. Reads them out of a text as it comes, and describes tools to models whose template knows none. Knows no
 * grammar and no request.
 */
import type { ChatMessage } from "./chat-template.ts";

export const toolCallBegin = "<tool_call>";
export const toolCallEnd = "}\n</tool_call>";

/** What stands before the arguments of a call of `name`. */
export function toolCallHead(name: string): string {
  return `${toolCallBegin}\n{"name": ${JSON.stringify(name)}, "arguments": `;
}

export type ToolCallPiece =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "call"; readonly name: string }
  /** More of the last call's arguments, as JSON. */
  | { readonly kind: "arguments"; readonly text: string };

const head = /^<tool_call>\n\{"name": ("(?:[^"\\]|\\.)*"), "arguments": /;

/** One text; a model may write more text behind a call. */
export class ToolCallReader {
  #held = "";
  #isInCall = false;

  /** What `text` makes certain. */
  push(text: string): ToolCallPiece[] {
    this.#held += text;
    const pieces: ToolCallPiece[] = [];
    for (;;) {
      const mark = this.#isInCall ? toolCallEnd : toolCallBegin;
      const kind = this.#isInCall ? "arguments" : "text";
      const at = this.#held.indexOf(mark);
      const certain = at === -1 ? this.#held.length - overlap(this.#held, mark) : at;
      if (certain > 0) pieces.push({ kind, text: this.#held.slice(0, certain) });
      this.#held = this.#held.slice(certain);
      if (at === -1) return pieces;
      if (this.#isInCall) {
        this.#held = this.#held.slice(mark.length);
        this.#isInCall = false;
        continue;
      }
      const [found, name] = head.exec(this.#held) ?? [];
      if (found === undefined) return pieces;
      pieces.push({ kind: "call", name: JSON.parse(name!) as string });
      this.#held = this.#held.slice(found.length);
      this.#isInCall = true;
    }
  }

  /** What is left at the end: a text that was no call after all, or a call that was cut off. */
  end(): ToolCallPiece[] {
    const text = this.#held;
    this.#held = "";
    if (text === "" || text.startsWith(toolCallBegin)) return [];
    return [{ kind: this.#isInCall ? "arguments" : "text", text }];
  }
}

/** Length of the longest suffix of `text` that begins `mark`. */
function overlap(text: string, mark: string): number {
  for (let n = Math.min(text.length, mark.length - 1); n > 0; n--)
    if (text.endsWith(mark.slice(0, n))) return n;
  return 0;
}

/** The same conversation for a template that knows no tools: they are described, and calls and results are written out. */
export function withToolsInText(
  messages: readonly ChatMessage[],
  tools: readonly object[],
): ChatMessage[] {
  const plain = messages.map((message): ChatMessage => {
    if (message.role === "tool")
      return { role: "user", content: `<tool_response>\n${message.content}\n</tool_response>` };
    const calls = (message.toolCalls ?? []).map(
      ({ name, arguments: given }) => `${toolCallHead(name)}${JSON.stringify(given)}${toolCallEnd}`,
    );
    return {
      role: message.role,
      content: [message.content, ...calls].filter((text) => text !== "").join("\n"),
    };
  });
  if (tools.length === 0) return plain;
  const described =
    "You may call functions. These are their signatures:\n<tools>\n" +
    tools.map((tool) => JSON.stringify(tool)).join("\n") +
    `\n</tools>\nTo call one, write ${toolCallBegin}, a line with {"name": its name, "arguments": an object}, and ` +
    "</tool_call>.";
  const [first] = plain;
  if (first?.role !== "system" && first?.role !== "developer")
    return [{ role: "system", content: described }, ...plain];
  return [{ role: first.role, content: `${first.content}\n\n${described}` }, ...plain.slice(1)];
}
