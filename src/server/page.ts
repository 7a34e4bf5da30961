/**
 * The files of the inspector page, in memory, and the headers they are sent with. `node/` reads the files.
 */

export interface PageFile {
  /** MIME type, with the charset if there is one. */
  readonly type: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The bytes compressed; absent if that is not smaller. */
  readonly gzip?: Uint8Array<ArrayBuffer>;
}

/** Files by their path in the page's folder, such as "index.html" or "assets/x.js". */
export type Page = ReadonlyMap<string, PageFile>;

/**
 * Allows nothing from other hosts, nothing inline and no frame around the page: what it shows and sends stays between
 * the reader and this server. Blobs are needed for the images that the page saves.
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
      // Names under assets/ contain a hash of the file.
      "cache-control": path.startsWith("assets/")
        ? "public, max-age=31536000, immutable"
        : "no-cache",
    },
  });
}
