/**
 * Refuses requests from pages of other web sites. Any page can send requests to 127.0.0.1, and the server would execute
 * them although the page cannot read the answers. Browsers tell the page's origin in headers. Programs send no such
 * headers, and are allowed. Knows origins; no routes, no keys.
 *
 * The rules are those of Go's `http.CrossOriginProtection`. `Sec-Fetch-Site` decides if the browser sends it: it is right
 * behind a proxy with another name as well. For older browsers, `Origin` must equal `Host`. Unlike in Go, GET is checked
 * as well, since some of our GET routes read a whole table.
 */
import { InvalidConfigError } from "../errors.ts";
import { ApiError } from "./api-error.ts";

/** Throws `ApiError` (403) for a request from a page of another origin, unless `granted` lists it. */
export function checkOrigin(request: Request, granted: readonly string[]): void {
  if (isOwn(request) || granted.includes("*")) return;
  const origin = request.headers.get("origin");
  if (origin !== null && granted.includes(origin)) return;
  throw new ApiError(
    `a page of ${origin === null ? "another site" : JSON.stringify(origin.slice(0, 100))} may not use this ` +
      "server; start it with --cors-origins ORIGIN to allow the pages of an origin",
    { status: 403, code: "origin_not_allowed" },
  );
}

/** Whether the request comes from a page of this server, or from no page. */
function isOwn({ headers, url, method }: Request): boolean {
  const site = headers.get("sec-fetch-site");
  if (site === "same-origin" || site === "none") return true;
  const origin = headers.get("origin");
  if (origin !== null)
    return (
      site === null && hostOf(origin) === (headers.get("host") ?? new URL(url).host).toLowerCase()
    );
  // A link that somebody clicked; not an image, a script or a frame of another page.
  const isLink =
    method === "GET" &&
    headers.get("sec-fetch-mode") === "navigate" &&
    headers.get("sec-fetch-dest") === "document";
  return site === null || isLink;
}

/** Undefined for a text that is not an origin, such as "null". */
function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}

/** Checks and normalises origins. Throws `InvalidConfigError` for a text that no browser would send. */
export function parseOrigins(origins: readonly string[]): string[] {
  return origins.map((text) => {
    // Pages without an origin send "null": those opened from a file or in a sandbox.
    if (text === "*" || text === "null") return text;
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (url?.origin === "null" || url?.href !== `${url?.origin}/`)
      throw new InvalidConfigError(
        `"${text}" is not an origin; expected *, or scheme, host and port such as http://localhost:3000`,
      );
    return url.origin;
  });
}
