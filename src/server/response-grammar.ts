/** What a request wants its answer to look like, as a grammar, with its faults as answers. Knows no texts. */
import { RequestError } from "../errors.ts";
import type { Grammar } from "../grammar/index.ts";
import type { Constraint } from "../inference/index.ts";
import { ApiError } from "./api-error.ts";
import type { ChatRequest } from "./protocol.ts";
import type { Serving } from "./serving.ts";

/** Undefined for free text. What it resolves to makes a constraint for each text of the request. */
export async function responseGrammar(
  { grammars, model }: Serving,
  {
    response_format: format,
    ignore_eos: ignoresEnd,
  }: Pick<ChatRequest, "response_format" | "ignore_eos">,
  signal: AbortSignal,
): Promise<(() => Constraint) | undefined> {
  if (format == null || format.type === "text") return undefined;
  const param = "response_format";
  if (grammars === undefined || model.tokenizer.eosTokenId === undefined)
    throw new ApiError(
      grammars === undefined
        ? "response_format: this server has no thread for grammars; ask for text"
        : "response_format: this model has no token that ends a text; ask for text",
      { param },
    );
  if (ignoresEnd === true)
    throw new ApiError("ignore_eos: JSON has an end; leave it out, or ask for text", {
      param: "ignore_eos",
    });
  const grammar: Grammar =
    format.type === "json_object"
      ? { kind: "json", schema: '{"type":"object"}', strict: false }
      : { kind: "json", schema: JSON.stringify(format.json_schema.schema), strict: true };
  try {
    return await grammars.prepare(grammar, signal);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    throw new ApiError(`${param}: ${error.message}`, { param, code: "grammar_failed" });
  }
}
