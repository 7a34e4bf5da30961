/**
 * Checks a value by its schema. An error names one parameter, by its path, in one sentence. Where a schema allows several
 * shapes, the error is about the shape that the value comes closest to. Knows schemas, no requests.
 */
import * as z from "zod";
import { ApiError } from "./api-error.ts";

type Issue = z.core.$ZodIssue;

/** Returns what the schema makes of `value`. Throws `ApiError` for the first thing that is wrong with it. */
export function checkSchema<Output>(schema: z.ZodType<Output>, value: unknown): Output {
  const parsed = z.safeParse(schema, value, { error: wordsFor });
  if (!parsed.success) throw schemaError(parsed.error);
  return parsed.data;
}

function schemaError({ issues }: z.ZodError): ApiError {
  const [first] = issues;
  if (first === undefined) return new ApiError("the request body is not valid");
  const issue = nearest(first);
  const path = issue.path.map(String);
  if (issue.code === "unrecognized_keys") {
    const param = [...path, issue.keys[0]!].join(".");
    return new ApiError(`"${param}" is not supported by this server; leave it out`, {
      param,
      code: "unsupported_parameter",
    });
  }
  const param = path.join(".");
  const message = messageOf(issue);
  return new ApiError(param === "" ? message : `${param}: ${message}`, {
    param: param === "" ? null : param,
    code: param === "" ? "invalid_body" : "invalid_value",
  });
}

/** The issue inside an issue of a union or a record, which by itself only says that something is wrong. */
function nearest(issue: Issue): Issue {
  const inner =
    issue.code === "invalid_union"
      ? issue.errors.flatMap(([first]) => first ?? [])
      : issue.code === "invalid_key" || issue.code === "invalid_element"
        ? issue.issues.slice(0, 1)
        : [];
  const found = inner.map((one) => ({ ...nearest(one), path: one.path }) as Issue);
  const [best, ...others] = found.toSorted((a, b) => compare(rankOf(b), rankOf(a)));
  if (best === undefined) return issue;
  // If two shapes are equally close and object to different things, the union's own issue is reported.
  const isAlone = others.every(
    (other) => compare(rankOf(best), rankOf(other)) !== 0 || best.message === other.message,
  );
  if (!isAlone) return issue;
  return { ...best, path: [...issue.path, ...best.path] } as Issue;
}

/** How well the value matches a shape: first whether its type is right, then how far into the value it matches. */
function rankOf({ code, path }: Issue): readonly number[] {
  const isOfKind = code !== "invalid_type" && code !== "invalid_union";
  return [isOfKind ? 1 : 0, ...path.map((key) => (typeof key === "number" ? key : 0))];
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = (a[i] ?? -1) - (b[i] ?? -1);
    if (difference !== 0) return difference;
  }
  return 0;
}

const units: Readonly<Record<string, readonly [one: string, many: string]>> = {
  array: ["item", "items"],
  string: ["character", "characters"],
};

/** What was expected and what came. Undefined leaves the words to the library. */
function wordsFor(issue: z.core.$ZodRawIssue): string | undefined {
  const { code, input } = issue;
  switch (code) {
    case "invalid_type":
      return `expected ${issue.expected === "int" ? "integer" : issue.expected}, got ${shown(input)}`;
    case "invalid_value":
      return `expected ${oneOf(issue.values)}, got ${shown(input)}`;
    case "invalid_union":
      return Array.isArray(issue.options) ? `expected ${oneOf(issue.options)}` : undefined;
    case "too_big":
      return `expected at most ${amount(issue.maximum, issue.origin)}, got ${size(input)}`;
    case "too_small":
      return `expected at least ${amount(issue.minimum, issue.origin)}, got ${size(input)}`;
    default:
      return undefined;
  }
}

function oneOf(values: readonly unknown[]): string {
  return values.map((value) => JSON.stringify(value)).join(" or ");
}

function amount(limit: number | bigint, origin: string): string {
  const [one, many] = units[origin] ?? ["", ""];
  return `${limit} ${limit === 1 ? one : many}`.trimEnd();
}

function size(value: unknown): string {
  return typeof value === "string" || Array.isArray(value) ? `${value.length}` : shown(value);
}

/** A short value as it came, a long one by its type. */
function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return "array";
  if (typeof value === "object" && value !== null) return "object";
  const text = JSON.stringify(value);
  return text.length > 40 ? typeof value : text;
}

function messageOf(issue: Issue): string {
  if (issue.code !== "invalid_union" || issue.message !== "Invalid input") return issue.message;
  const expected = issue.errors.flatMap(([first]) =>
    first?.code === "invalid_type" ? first.expected : [],
  );
  return expected.length === 0
    ? "not a valid value"
    : `expected ${[...new Set(expected)].join(" or ")}`;
}
