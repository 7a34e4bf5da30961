/**
 * Checks a value by its schema. An error names one parameter, by its path, in one sentence. Knows schemas, no requests.
 */
import * as z from "zod/mini";
import { messageOf, nearest, plainWords } from "../schema-words.ts";
import { ApiError } from "./api-error.ts";

/** Returns what the schema makes of `value`. Throws `ApiError` for the first thing that is wrong with it. */
export function checkSchema<Output>(schema: z.ZodMiniType<Output>, value: unknown): Output {
  const parsed = z.safeParse(schema, value, { error: plainWords });
  if (!parsed.success) throw schemaError(parsed.error);
  return parsed.data;
}

function schemaError({ issues }: z.core.$ZodError): ApiError {
  const [first] = issues;
  if (first === undefined) return new ApiError("the request body is not valid");
  const issue = nearest(first);
  const path = issue.path.map(String);
  if (issue.code === "unrecognized_keys") return notSupported([...path, issue.keys[0]!].join("."));
  const param = path.join(".");
  // Only what a schema does not name has to be null.
  if (issue.code === "invalid_type" && issue.expected === "null") return notSupported(param);
  const message = messageOf(issue);
  return new ApiError(param === "" ? message : `${param}: ${message}`, {
    param: param === "" ? null : param,
    code: param === "" ? "invalid_body" : "invalid_value",
  });
}

function notSupported(param: string): ApiError {
  return new ApiError(`"${param}" is not supported by this server; leave it out`, {
    param,
    code: "unsupported_parameter",
  });
}
