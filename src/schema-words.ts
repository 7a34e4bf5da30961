/**
 * What schemas find, in plain words, the same for requests, command lines and files. Where a schema allows several shapes,
 * the words are about the shape that the value comes closest to. Knows no schema, and not whose error it becomes.
 */
import type * as z from "zod";
import { shown } from "./json-values.ts";

type Issue = z.core.$ZodIssue;

/** All that was found as one sentence. `nameOf` writes where it was found. */
export function sentenceOf(
  { issues }: z.ZodError,
  nameOf: (path: readonly PropertyKey[]) => string = (path) => path.map(String).join("."),
): string {
  return issues
    .map(nearest)
    .map((issue) => {
      const message = messageOf(issue);
      return issue.path.length === 0 ? message : `${nameOf(issue.path)}: ${message}`;
    })
    .join("; ");
}

const units: Readonly<Record<string, readonly [one: string, many: string]>> = {
  array: ["item", "items"],
  string: ["character", "characters"],
};

/** What was expected and what came, for `safeParse`. Undefined leaves the words to the library. */
export function plainWords(issue: z.core.$ZodRawIssue): string | undefined {
  const { code, input } = issue;
  switch (code) {
    case "invalid_type":
      return `expected ${issue.expected === "int" ? "integer" : issue.expected}, got ${brief(input)}`;
    case "invalid_value":
      return `expected ${oneOf(issue.values)}, got ${brief(input)}`;
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
  return values.map((value) => shown(value)).join(" or ");
}

function amount(limit: number | bigint, origin: string): string {
  const [one, many] = units[origin] ?? ["", ""];
  return `${limit} ${limit === 1 ? one : many}`.trimEnd();
}

function size(value: unknown): string {
  return typeof value === "string" || Array.isArray(value) ? `${value.length}` : brief(value);
}

/** A short value as it came, a long one by its type. */
function brief(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return "array";
  if (typeof value === "object" && value !== null) return "object";
  const text = shown(value);
  return text.length > 40 ? typeof value : text;
}

/** The issue inside an issue of a union or a record, which by itself only says that something is wrong. */
export function nearest(issue: Issue): Issue {
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

/** What is wrong, without the place. */
export function messageOf(issue: Issue): string {
  if (issue.code !== "invalid_union" || issue.message !== "Invalid input") return issue.message;
  const expected = issue.errors.flatMap(([first]) =>
    first?.code === "invalid_type" ? first.expected : [],
  );
  return expected.length === 0
    ? "not a valid value"
    : `expected ${[...new Set(expected)].join(" or ")}`;
}
