/**
 * Patterns of JSON schemas as patterns of whole JSON strings: XGrammar takes a pattern for what stands between two quotes, so
 * one that allows a quote, a backslash or a control character allows what is no JSON. Classes that leave out others leave
 * out those, too; what would need one is refused. What remains is part of what the schema allows. Knows no schema.
 */
import { RequestError } from "../errors.ts";

/** Inside a class: what a JSON string has only as an escape. */
const unwritable = String.raw`"\\\x00-\x1f`;

/** Throws `RequestError`, which says why, for a pattern that is not followed here. */
export function jsonPattern(pattern: string): string {
  const body = pattern.replace(/^\^/, "").replace(/(?<!\\)\$$/, "");
  const parts = body.match(tokens) ?? [];
  if (parts.join("") !== body) throw new RequestError("it is cut off");
  return `(?:${parts.map(written).join("")})`;
}

/** A class, an escape, or a character. */
const tokens = /\[\^?(?:\\[^]|[^\]\\])*\]|\\[^]|[^\\[]/gu;

function written(part: string): string {
  if (part === ".") return `[^${unwritable}]`;
  // XGrammar merges what alternatives have in common, and lets others pass.
  if (part === "|") throw new RequestError("alternatives are not followed; use anyOf, or enum");
  if (part === "^" || part === "$")
    throw new RequestError(`"${part}" inside it is not followed here; only around all of it`);
  if (part.startsWith("[^")) return `${checked(part.slice(0, -1))}${unwritable}]`;
  // Of white space, a JSON string has the space alone as it is.
  if (part === "\\s") return " ";
  if (/^\\[SWD]$/.test(part)) return `[^${part.toLowerCase()}${unwritable}]`;
  return checked(part);
}

/** A class that names characters, an escape or a character by itself, as it is. */
function checked(part: string): string {
  const isNegated = part.startsWith("[^");
  const named = part.replace(/^\[\^?/, "");
  for (const [one, escaped] of named.matchAll(/\\([^])|[^]/gu))
    if (escaped === undefined ? isUnwritable(one) : !safeEscapes.test(escaped))
      throw new RequestError(
        `${JSON.stringify(one)} in it is not followed here: in JSON it is written with a backslash, or not by itself`,
      );
  if (part.length > 1 && part.startsWith("[") && !isNegated)
    for (const [range, from, to] of named.matchAll(/([^\\])-([^\\\]])/gu))
      if (['"', "\\"].some((one) => from! <= one && one <= to!))
        throw new RequestError(
          `the range ${range} in it has a quote or a backslash in it; divide it`,
        );
  return part;
}

/** Those that mean one character that needs no escape in JSON, or letters, digits and "_". */
const safeEscapes = /^[dw^$.*+?()[\]{}|/-]$/;

function isUnwritable(one: string): boolean {
  return one === '"' || one < " ";
}
