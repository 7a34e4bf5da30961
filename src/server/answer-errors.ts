/**
 * Turns errors of all routes, and unknown paths, into responses of the one shape that clients expect. Knows routes by
 * name only.
 */
import type { Router } from "./router.ts";
import { ApiError, apiErrorOf, errorResponse, methodNotAllowed } from "./api-error.ts";

/** `onError` is called for failures of the server. A disconnected client is not one. */
export function reporter(
  onError: ((error: unknown) => void) | undefined,
): (error: unknown) => void {
  return (error) => {
    // A client may disconnect from a stream or while it waits.
    if (!isAbort(error) && apiErrorOf(error).status === 500) onError?.(error);
  };
}

export function answerErrors(app: Router, report: (error: unknown) => void): void {
  app.notFound(async (c) => {
    const { method, path } = c.req;
    const { methodsOf } = await import("./route-table.ts");
    const allowed = methodsOf(path);
    return errorResponse(
      allowed.length > 0
        ? methodNotAllowed(method, { path, allowed })
        : new ApiError(`there is no ${path}; ${insteadOf(path)}`, {
            status: 404,
            code: "unknown_route",
          }),
    );
  });
  app.onError((error) => {
    report(error);
    // A disconnected client does not read this response.
    return errorResponse(isAbort(error) ? new ApiError("the request was broken off") : error);
  });
}

function insteadOf(path: string): string {
  return path.startsWith("/v1/responses")
    ? "this server keeps no responses: use /v1/chat/completions"
    : "/openapi.json lists what there is";
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}
