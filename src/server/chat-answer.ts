/**
 * One answer of a conversation as it is put together from texts: content, and calls of tools where there are tools. Whole
 * for one answer, or piece by piece for a stream. Knows no envelope.
 */
import { type ToolCallPiece, ToolCallReader } from "../chat/index.ts";

interface CallDelta {
  readonly index: number;
  readonly id?: string;
  readonly type?: "function";
  readonly function: { readonly name?: string; readonly arguments: string };
}

/** What a stream says next of an answer. */
export interface AnswerDelta {
  readonly content?: string;
  readonly tool_calls?: readonly CallDelta[];
}

export class ChatAnswer {
  readonly #reader: ToolCallReader | undefined;
  #numCalls = 0;

  constructor({ hasTools }: { hasTools: boolean }) {
    this.#reader = hasTools ? new ToolCallReader() : undefined;
  }

  /** Takes more of the text. */
  push(text: string): AnswerDelta[] {
    if (text === "") return [];
    if (this.#reader === undefined) return [{ content: text }];
    return this.#deltas(this.#reader.push(text));
  }

  end(): AnswerDelta[] {
    return this.#reader === undefined ? [] : this.#deltas(this.#reader.end());
  }

  /** "tool_calls" for an answer that ends behind a call. */
  reason(finishReason: string): string {
    return finishReason === "stop" && this.#numCalls > 0 ? "tool_calls" : finishReason;
  }

  #deltas(pieces: readonly ToolCallPiece[]): AnswerDelta[] {
    return pieces.flatMap((piece): AnswerDelta[] => {
      if (piece.kind === "text") {
        // Line ends around a call belong to the markup.
        const isMarkup = this.#numCalls > 0 && piece.text.trim() === "";
        return isMarkup ? [] : [{ content: piece.text }];
      }
      if (piece.kind === "arguments")
        return [
          {
            tool_calls: [{ index: this.#numCalls - 1, function: { arguments: piece.text } }],
          },
        ];
      const id = `call_${crypto.randomUUID().replaceAll("-", "").slice(0, 24)}`;
      const call = { name: piece.name, arguments: "" };
      return [{ tool_calls: [{ index: this.#numCalls++, id, type: "function", function: call }] }];
    });
  }
}

/** All deltas of an answer as its message. */
export function messageOf(deltas: readonly AnswerDelta[]): object {
  const calls: { id: string; type: "function"; function: { name: string; arguments: string } }[] =
    [];
  let content = "";
  for (const delta of deltas) {
    content += delta.content ?? "";
    for (const { index, id, function: part } of delta.tool_calls ?? [])
      if (id === undefined) calls[index]!.function.arguments += part.arguments;
      else calls.push({ id, type: "function", function: { name: part.name!, arguments: "" } });
  }
  const isSilent = calls.length > 0 && content.trim() === "";
  return {
    role: "assistant",
    content: isSilent ? null : content,
    refusal: null,
    ...(calls.length > 0 && { tool_calls: calls }),
  };
}
