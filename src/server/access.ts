/**
 * Access control: which host names, origins and keys a request may have. Runs before every route; knows only the routes
 * that need no key.
 */
import type { Hono } from "hono";
import { cors } from "hono/cors";
import { InvalidConfigError } from "../errors.ts";
import { ApiError } from "./api-error.ts";
import { checkHost } from "./host-check.ts";
import { checkOrigin, parseOrigins } from "./origin-check.ts";
import { isPagePath } from "./page.ts";
import type { ServerOptions } from "./serving.ts";

export type AccessOptions = Pick<ServerOptions, "apiKey" | "corsOrigins" | "isLoopback">;

export function guard(
  app: Hono,
  { apiKey, corsOrigins = [], isLoopback = false }: AccessOptions,
): void {
  const granted = parseOrigins(corsOrigins);
  app.use(async (c, next) => {
    // A client with the key is not an attacker's page, and a proxy with its own name may be in front of the server.
    if (isLoopback && apiKey === undefined) checkHost(c.req.raw);
    checkOrigin(c.req.raw, granted);
    await next();
  });
  if (granted.length > 0) app.use(cors({ origin: granted.includes("*") ? "*" : granted }));
  if (apiKey !== undefined)
    app.use(async (c, next) => {
      const isOpen = c.req.path === "/health" || isPagePath(c.req.path);
      if (!isOpen) checkKey(c.req.header("authorization"), apiKey);
      await next();
    });
}

/** Throws `InvalidConfigError` for a key or origins that no request could match. */
export function checkAccess({ apiKey, corsOrigins = [] }: AccessOptions): void {
  parseOrigins(corsOrigins);
  // Node and browsers refuse other characters in a header or encode them differently, and trim spaces at the ends.
  if (apiKey === undefined || /^[\x21-\x7E](?:[\x20-\x7E]*[\x21-\x7E])?$/.test(apiKey)) return;
  throw new InvalidConfigError(
    "the API key cannot be sent in a header; expected printable ASCII characters, and no space at either end",
  );
}

function checkKey(header: string | undefined, apiKey: string): void {
  const given = /^Bearer (.*)$/i.exec(header ?? "")?.[1] ?? "";
  if (isSame(given, apiKey)) return;
  throw new ApiError("expected the server's key: Authorization: Bearer KEY", {
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
