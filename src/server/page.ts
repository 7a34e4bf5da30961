/**
 * The inspector page as a set of files in memory, and the headers they go out with. Knows nothing of where
 * they come from; reading them is in `node/`.
 */

export interface PageFile {
  /** MIME type, with its charset where it has one. */
  readonly type: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The same bytes compressed, where that makes them smaller. */
  readonly gzip?: Uint8Array<ArrayBuffer>;
}

/** By path from the page's root: "index.html", "assets/x.js". A path that is not here does not exist. */
export type Page = ReadonlyMap<string, PageFile>;

/** Whether a request's path may be the page's: these are answered without a key, which the page asks for. */
export function isPagePath(path: string): boolean {
  return path === "/" || path === "/favicon.svg" || path.startsWith("/assets/");
}

/**
 * Nothing from any other host, nothing inline, no frame around it: what the page shows and sends stays
 * between the reader and this server. Blobs are the pictures that the page saves.
 */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

export function pageResponse(
  { type, bytes, gzip }: PageFile,
  { path, acceptsGzip }: { path: string; acceptsGzip: boolean },
): Response {
  const isPacked = acceptsGzip && gzip !== undefined;
  return new Response(isPacked ? gzip : bytes, {
    headers: {
      "content-type": type,
      "content-security-policy": contentSecurityPolicy,
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      vary: "accept-encoding",
      ...(isPacked && { "content-encoding": "gzip" }),
      // Names under assets/ carry a hash of what is in them.
      "cache-control": path.startsWith("assets/")
        ? "public, max-age=31536000, immutable"
        : "no-cache",
    },
  });
}
