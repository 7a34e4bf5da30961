/**
 * Answers errors of all routes, and of unknown paths, in the one shape that clients read. Knows routes by name only.
 */
import type { Hono } from "hono";
import { ApiError, apiErrorOf, errorResponse, methodNotAllowed } from "./api-error.ts";
import { methodsOf } from "./openapi.ts";

/** `onError` gets failures of the server; a client that went away is not one. */
export function reporter(
  onError: ((error: unknown) => void) | undefined,
): (error: unknown) => void {
  return (error) => {
    // Whether it was listening to a stream or waiting.
    if (!isAbort(error) && apiErrorOf(error).status === 500) onError?.(error);
  };
}

export function answerErrors(app: Hono, report: (error: unknown) => void): void {
  app.notFound((c) => {
    const { method, path } = c.req;
    const allowed = methodsOf(path);
    return errorResponse(
      allowed.length > 0
        ? methodNotAllowed(method, { path, allowed })
        : new ApiError(`there is no ${path}; /openapi.json lists what there is`, {
            status: 404,
            code: "unknown_route",
          }),
    );
  });
  app.onError((error) => {
    report(error);
    // Nobody reads the answer to a client that went away.
    return errorResponse(isAbort(error) ? new ApiError("the request was broken off") : error);
  });
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}
