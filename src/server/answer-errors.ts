/** Errors of any route, and of none, in the one shape that clients read. Knows no route but by its name. */
import type { Hono } from "hono";
import { ApiError, apiErrorOf, errorResponse, methodNotAllowed } from "./api-error.ts";
import { methodsOf } from "./openapi.ts";

/** `onError` is told of failures that are ours; a client that went away is none. */
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
