/**
 * Against web pages that make this server work: a page of any site may send a request to 127.0.0.1, and what it
 * asks for is done although it cannot read the answer. Browsers say which page sends a request; what a program
 * sends says nothing, and passes. Knows origins; no routes, no keys.
 *
 * As in Go's `http.CrossOriginProtection`: where the browser says how its page stands to this server
 * (`Sec-Fetch-Site`), that counts, behind a proxy under another name, too; an older browser's `Origin` must be
 * the `Host` that was asked. Unlike there, GET is checked as well: some of ours read a whole table.
 */
import { InvalidConfigError } from "../errors.ts";
import { ApiError } from "./api-error.ts";

/** Throws `ApiError` (403) for a request of a page of another origin that is not among `granted`. */
export function checkOrigin(request: Request, granted: readonly string[]): void {
  if (isOwn(request) || granted.includes("*")) return;
  const origin = request.headers.get("origin");
  if (origin !== null && granted.includes(origin)) return;
  throw new ApiError(
    `a page of ${origin === null ? "another site" : JSON.stringify(origin.slice(0, 100))} may not use this ` +
      "server; start it with --cors-origins ORIGIN to let the pages of an origin in",
    { status: 403, code: "origin_not_allowed" },
  );
}

/** Whether a page of this server sent it, or no page at all. */
function isOwn({ headers, url, method }: Request): boolean {
  const site = headers.get("sec-fetch-site");
  if (site === "same-origin" || site === "none") return true;
  const origin = headers.get("origin");
  if (origin !== null)
    return (
      site === null && hostOf(origin) === (headers.get("host") ?? new URL(url).host).toLowerCase()
    );
  // A link that a person follows; not an image, a script or a frame of another page.
  const isLink =
    method === "GET" &&
    headers.get("sec-fetch-mode") === "navigate" &&
    headers.get("sec-fetch-dest") === "document";
  return site === null || isLink;
}

/** Undefined for what is no origin, such as "null". */
function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}

/** Origins as browsers write them. Throws `InvalidConfigError` for what no browser would ever send. */
export function parseOrigins(origins: readonly string[]): string[] {
  return origins.map((text) => {
    // "null" is what pages without an origin send: those from a file, those in a sandbox.
    if (text === "*" || text === "null") return text;
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (url?.origin === "null" || url?.href !== `${url?.origin}/`)
      throw new InvalidConfigError(
        `"${text}" is no origin of pages; expected *, or scheme, host and port such as http://localhost:3000`,
      );
    return url.origin;
  });
}
