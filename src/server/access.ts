/**
 * Access control: which host names, origins and keys a request may have. Runs before every route; knows only the routes
 * that need no key.
 */
import type { Router } from "./router.ts";
import { cors } from "./cors.ts";
import { InvalidConfigError, InvariantError } from "../errors.ts";
import { ApiError } from "./api-error.ts";
import { digestOf, onlyPrincipal, type Principal } from "./api-keys.ts";
import { checkHost } from "./host-check.ts";
import { checkOrigin, parseOrigins } from "./origin-check.ts";
import { isPagePath } from "./page-paths.ts";
import type { ServerOptions } from "./serving.ts";

export type AccessOptions = Pick<
  ServerOptions,
  "apiKey" | "apiKeys" | "corsOrigins" | "isLoopback"
>;

/** What a key that is no admin's may ask for: the rest tells of what others do. */
const ownRoutes =
  /^\/(?:v1\/.*|tokenize|detokenize|engram\/(?:facts|inspect|snapshots.*)|props|version|openapi\.json)$/;

/** Returns who sends a request that has passed. */
export function guard(
  app: Router,
  { apiKey, apiKeys, corsOrigins = [], isLoopback = false }: AccessOptions,
): (request: Request) => Principal {
  const hasKeys = apiKey !== undefined || apiKeys !== undefined;
  const known = new WeakMap<Request, Principal>();
  const granted = parseOrigins(corsOrigins);
  app.use((c, next) => {
    // A client with the key is not an attacker's page, and a proxy with its own name may be in front of the server.
    if (isLoopback && !hasKeys) checkHost(c.req.raw);
    checkOrigin(c.req.raw, granted);
    return next();
  });
  if (granted.length > 0) app.use(cors(granted));
  if (hasKeys)
    app.use(async (c, next) => {
      const isOpen = c.req.path === "/health" || isPagePath(c.req.path);
      const header = c.req.header("authorization");
      if (!isOpen && apiKeys === undefined) checkKey(header, apiKey!);
      else if (!isOpen) {
        const principal = apiKeys!.get(await digestOf(keyIn(header)));
        if (principal === undefined) throw wrongKey();
        if (!principal.isAdmin && !ownRoutes.test(c.req.path))
          throw new ApiError(`${c.req.path} tells of all requests; this key is not an admin's`, {
            status: 403,
            code: "admin_only",
          });
        known.set(c.req.raw, principal);
      }
      return next();
    });
  return (request) => {
    const principal = apiKeys === undefined ? onlyPrincipal : known.get(request);
    if (principal === undefined) throw new InvariantError("a request has passed without a key");
    return principal;
  };
}

/** Throws `InvalidConfigError` for a key or origins that no request could match. */
export function checkAccess({ apiKey, apiKeys, corsOrigins = [] }: AccessOptions): void {
  parseOrigins(corsOrigins);
  if (apiKey !== undefined && apiKeys !== undefined)
    throw new InvalidConfigError("expected one API key, or a file of keys, not both");
  // Node and browsers refuse other characters in a header or encode them differently, and trim spaces at the ends.
  if (apiKey === undefined || /^[\x21-\x7E](?:[\x20-\x7E]*[\x21-\x7E])?$/.test(apiKey)) return;
  throw new InvalidConfigError(
    "the API key cannot be sent in a header; expected printable ASCII characters, and no space at either end",
  );
}

function checkKey(header: string | undefined, apiKey: string): void {
  if (!isSame(keyIn(header), apiKey)) throw wrongKey();
}

function keyIn(header: string | undefined): string {
  return /^Bearer (.*)$/i.exec(header ?? "")?.[1] ?? "";
}

function wrongKey(): ApiError {
  return new ApiError("expected the server's key: Authorization: Bearer KEY", {
    status: 401,
    code: "invalid_api_key",
    headers: { "www-authenticate": "Bearer" },
  });
}

/** Compares in constant time. */
function isSame(given: string, expected: string): boolean {
  const [a, b] = [given, expected].map((text) => new TextEncoder().encode(text)) as [
    Uint8Array,
    Uint8Array,
  ];
  let difference = a.length ^ b.length;
  for (let i = 0; i < b.length; i++) difference |= (a[i] ?? 0) ^ b[i]!;
  return difference === 0;
}
