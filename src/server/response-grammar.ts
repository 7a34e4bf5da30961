/** What a request wants its answer to look like, as a grammar, with its faults as answers. Knows no texts. */
import { toolCallBegin, toolCallEnd, toolCallHead } from "../chat/index.ts";
import { RequestError } from "../errors.ts";
import type { Grammar, StructuralTag } from "../grammar/index.ts";
import type { Constraint } from "../inference/index.ts";
import { ApiError } from "./api-error.ts";
import type { ChatRequest } from "./chat-request.ts";
import type { Serving } from "./serving.ts";

/** Undefined for free text. What it resolves to makes a constraint for each text of the request. */
export async function responseGrammar(
  { grammars, model }: Serving,
  body: Pick<
    ChatRequest,
    "response_format" | "ignore_eos" | "tools" | "tool_choice" | "parallel_tool_calls"
  >,
  signal: AbortSignal,
): Promise<(() => Constraint) | undefined> {
  const wanted = formatOf(body) ?? callsOf(body);
  if (wanted === undefined) return undefined;
  const { grammar, param } = wanted;
  if (grammars === undefined || model.tokenizer.bounds.stopIds.length === 0)
    throw new ApiError(
      grammars === undefined
        ? `${param}: this server has no thread for grammars; ask for text`
        : `${param}: this model has no token that ends a text; ask for text`,
      { param },
    );
  if (body.ignore_eos === true)
    throw new ApiError(`ignore_eos: does not go with ${param}, whose form has an end`, {
      param: "ignore_eos",
    });
  try {
    return await grammars.prepare(grammar, signal);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    throw new ApiError(`${param}: ${error.message}`, { param, code: "grammar_failed" });
  }
}

interface Wanted {
  readonly grammar: Grammar;
  /** The field that asks for it. */
  readonly param: string;
}

function formatOf({
  response_format: format,
  tools,
  tool_choice: choice,
}: Pick<ChatRequest, "response_format" | "tools" | "tool_choice">): Wanted | undefined {
  if (format == null || format.type === "text") return undefined;
  const param = "response_format";
  if (tools != null && tools.length > 0 && choice !== "none")
    throw new ApiError(
      `${param}: does not go with tools; send tool_choice none, or leave one out`,
      {
        param,
      },
    );
  return format.type === "json_object"
    ? { grammar: { kind: "json", schema: '{"type":"object"}', strict: false }, param }
    : {
        grammar: { kind: "json", schema: JSON.stringify(format.json_schema.schema), strict: true },
        param,
      };
}

/** Free text with calls of the tools in it, and at least one where one is required. */
function callsOf({
  tools,
  tool_choice: choice,
  parallel_tool_calls: mayBeMany,
}: Pick<ChatRequest, "tools" | "tool_choice" | "parallel_tool_calls">): Wanted | undefined {
  const isForced = choice === "required" || typeof choice === "object";
  if (tools == null || tools.length === 0) {
    if (choice == null || !isForced) return undefined;
    throw new ApiError("tool_choice: there are no tools to choose from", { param: "tool_choice" });
  }
  if (choice === "none") return undefined;
  const name = typeof choice === "object" ? choice?.function.name : undefined;
  const chosen = tools.filter((tool) => name === undefined || tool.function.name === name);
  if (chosen.length === 0)
    throw new ApiError(`tool_choice: there is no tool "${name}"`, { param: "tool_choice" });
  const tag: StructuralTag = {
    type: "structural_tag",
    format: {
      type: "triggered_tags",
      triggers: [toolCallBegin],
      tags: chosen.map(({ function: { name: one, parameters, strict } }) => ({
        begin: toolCallHead(one),
        content: {
          type: "json_schema",
          json_schema: parameters ?? { type: "object" },
          // A client of tools that are not strict asks for no more than what can be followed.
          strict: strict === true,
        },
        end: toolCallEnd,
      })),
      at_least_one: choice != null && isForced,
      stop_after_first: mayBeMany === false || name !== undefined,
    },
  };
  return { grammar: { kind: "tags", tag }, param: "tools" };
}
