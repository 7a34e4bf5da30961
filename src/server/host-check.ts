/**
 * Against DNS rebinding: a web page whose site's name is made to point at 127.0.0.1 would be of this
 * server's own origin for the browser, and could read every answer; CORS does not apply to it. Its requests
 * still carry the site's name as their Host. So a server that listens on loopback only, and asks for no key,
 * answers to names of the loopback alone. Knows host names; no routes.
 *
 * Allowed: `localhost` and names below it, which no public DNS can hold (RFC 6761), 127.0.0.0/8 and [::1],
 * with any port, since tunnels and containers change ports. A proxy on the same machine that hands other
 * names through must set the Host itself, as nginx does unless told otherwise, or the server be given a key.
 */
import { ApiError } from "./api-error.ts";

/** Throws `ApiError` (403) for a request by a name that is not this machine's loopback. */
export function checkHost(request: Request): void {
  const host = request.headers.get("host") ?? new URL(request.url).host;
  if (isLoopbackName(nameOf(host))) return;
  throw new ApiError(
    `this server listens on this machine only and does not answer as "${host.slice(0, 100)}"; ask for ` +
      "localhost, or start it with --api-key to let other names through",
    { status: 403, code: "host_not_allowed" },
  );
}

/** A host name or address, as written behind `--host` or in a URL without its port. */
export function isLoopbackName(name: string): boolean {
  const plain = name.toLowerCase().replace(/\.$/, "");
  if (plain === "localhost" || plain.endsWith(".localhost")) return true;
  if (plain === "::1" || plain === "[::1]") return true;
  const parts = /^127\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(plain);
  return parts !== null && parts.slice(1).every((part) => Number(part) <= 255);
}

/** "localhost:8080" -> "localhost". What has no such form is its own name, which is none of ours. */
function nameOf(host: string): string {
  return /^(\[[^\]]*\]|[^:[\]]*)(?::\d*)?$/.exec(host)?.[1] ?? host;
}
