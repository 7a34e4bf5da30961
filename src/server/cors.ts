/** Tells browsers which pages of other origins may ask. Refuses nobody: `origin-check.ts` does. */
import type { Handler } from "./router.ts";

const METHODS = "GET,HEAD,POST,DELETE";

/** `granted` are origins as browsers write them, or "*" for all. */
export function cors(granted: readonly string[]): Handler {
  return async ({ req }, next) => {
    const asking = req.header("origin") ?? "";
    const isAny = granted.includes("*");
    const origin = isAny ? "*" : granted.find((one) => one === asking);
    const isPreflight = req.method === "OPTIONS";
    const response = isPreflight ? new Response(null, { status: 204 }) : await next();
    const { headers } = response;
    if (origin !== undefined) headers.set("access-control-allow-origin", origin);
    // Caches must not give one origin the answer of another.
    if (!isAny) headers.append("vary", "Origin");
    if (isPreflight) {
      headers.set("access-control-allow-methods", METHODS);
      const asked = req.header("access-control-request-headers");
      if (asked !== undefined) {
        headers.set("access-control-allow-headers", asked);
        headers.append("vary", "Access-Control-Request-Headers");
      }
    }
    return response;
  };
}
