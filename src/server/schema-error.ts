/**
 * What a schema found wrong with a body, as an answer: one parameter by its path, and one sentence. Of several
 * shapes that a value might have had, the one it comes nearest to is spoken of. Knows schemas' findings, no requests.
 */
import type * as z from "zod";
import { ApiError } from "./api-error.ts";

type Issue = z.core.$ZodIssue;

/** The first thing that is wrong. */
export function schemaError({ issues }: z.ZodError): ApiError {
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

/** The finding behind a finding, which alone would only say that something is wrong. */
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
  // Where another shape is as near and finds something else, what they have in common is said.
  const isAlone = others.every(
    (other) => compare(rankOf(best), rankOf(other)) !== 0 || best.message === other.message,
  );
  if (!isAlone) return issue;
  return { ...best, path: [...issue.path, ...best.path] } as Issue;
}

/** How far a shape was recognised: whether only a bound was passed, then how far into the value it fitted. */
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

function messageOf(issue: Issue): string {
  if (issue.code !== "invalid_union" || issue.message !== "Invalid input") return issue.message;
  const expected = issue.errors.flatMap(([first]) =>
    first?.code === "invalid_type" ? first.expected : [],
  );
  return `expected ${[...new Set(expected)].join(" or ")}`;
}
