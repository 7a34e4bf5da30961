/**
 * Files of facts: JSON, a line each, or a list. A line is a request as `engram facts --out` writes it, or a record of
 * CounterFact. Knows texts; no files, no model.
 */
import { FormatError } from "../errors.ts";
import { checkJsonNames } from "../json-names.ts";
import { checkFactRequest, type Fact, type FactRequest } from "./fact.ts";

/** Throws `FormatError` or `RequestError`, with the line's number. */
export function parseFacts(text: string, where: string): FactRequest[] {
  if (text.trimStart().startsWith("[")) {
    const list = parsed(text, where);
    return (list as unknown[]).map((one, i) => requestOf(one, `${where}: fact ${i + 1}`));
  }
  return text.split("\n").flatMap((line, i) => {
    const place = `${where}: line ${i + 1}`;
    return line.trim() === "" ? [] : [requestOf(parsed(line, place), place)];
  });
}

/** A line for each. */
export function formatFacts(facts: readonly Fact[]): string {
  return facts.map((fact) => `${JSON.stringify(fact)}\n`).join("");
}

function parsed(text: string, where: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FormatError(`${where} is not JSON: ${(cause as Error).message}`, { cause });
  }
  checkJsonNames(text, where);
  return value;
}

interface CounterFact {
  readonly prompt?: unknown;
  readonly subject?: unknown;
  readonly target_new?: { readonly str?: unknown } | null;
}

/** CounterFact's paraphrases are for asking; they are not taught. */
function requestOf(value: unknown, where: string): FactRequest {
  const { requested_rewrite: rewrite } = { ...(value as { requested_rewrite?: CounterFact }) };
  if (rewrite === undefined) return checkFactRequest(value, where);
  const { prompt, subject, target_new: target } = { ...rewrite };
  if (typeof prompt !== "string" || typeof subject !== "string" || !prompt.includes("{}"))
    throw new FormatError(`${where}: expected CounterFact's prompt with a {} and its subject`);
  const request = { prompt: prompt.replace("{}", () => subject), completion: target?.str, subject };
  return checkFactRequest(request, where);
}
