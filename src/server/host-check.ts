/**
 * Protects against DNS rebinding. If an attacker's host name resolves to 127.0.0.1, a browser treats this server as the
 * same origin as the attacker's page, which could read every answer; CORS does not apply. But such requests carry the
 * attacker's host name in their Host header. So a server that listens only on loopback and has no key answers only to
 * names of the loopback. Knows host names; no routes.
 *
 * Allowed: `localhost` and names below it, which do not exist in public DNS (RFC 6761), 127.0.0.0/8 and [::1], with any
 * port, because tunnels and containers change ports. A proxy on the same machine that passes other names on must set
 * the Host itself, as nginx does by default; or the server needs a key.
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

/** A host name or address, as given to `--host` or in a URL without its port. */
export function isLoopbackName(name: string): boolean {
  const plain = name.toLowerCase().replace(/\.$/, "");
  if (plain === "localhost" || plain.endsWith(".localhost")) return true;
  if (plain === "::1" || plain === "[::1]") return true;
  const parts = /^127\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(plain);
  return parts !== null && parts.slice(1).every((part) => Number(part) <= 255);
}

/** "localhost:8080" -> "localhost". Any other form is returned unchanged; it is never a loopback name. */
function nameOf(host: string): string {
  return /^(\[[^\]]*\]|[^:[\]]*)(?::\d*)?$/.exec(host)?.[1] ?? host;
}
