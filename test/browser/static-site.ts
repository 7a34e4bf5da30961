/** A static web server for pages in tests: files by their names below any path, with the types that browsers ask for. */
import { readdir, readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { nameIn, type RangeServer, rangeOf, startRangeServer } from "../range-server.ts";

const types: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".css": "text/css",
};

/** Two headers that make a page isolated: it may then have threads. */
const isolating = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

/**
 * Paths that end in a slash get `index.html`; paths with `/none/` in them get nothing. Sets no
 * other header, unless its pages shall be isolated.
 */
export function startStaticSite(
  files: Readonly<Record<string, Uint8Array>>,
  { isIsolated = false }: { isIsolated?: boolean } = {},
): Promise<RangeServer> {
  return startRangeServer(files, (request, response) => {
    const name = nameIn(request) || "index.html";
    const bytes = request.url!.includes("/none/") ? undefined : files[name];
    if (rangeOf(request.headers.range) !== undefined && bytes !== undefined) return false;
    if (bytes === undefined) response.writeHead(404).end();
    else {
      const type = types[extname(name)] ?? "application/octet-stream";
      response
        .writeHead(200, {
          "content-type": type,
          "content-length": bytes.length,
          ...(isIsolated && isolating),
        })
        .end(bytes);
    }
    return true;
  });
}

/** All files of a folder and below it, by their names alone. */
export async function filesIn(folder: string): Promise<Record<string, Uint8Array>> {
  const files: Record<string, Uint8Array> = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) files[entry.name] = await readFile(join(entry.parentPath, entry.name));
  return files;
}
