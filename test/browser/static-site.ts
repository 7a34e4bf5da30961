/**
 * A static web server for pages in tests: files by their names below any path, with the types that browsers ask for. Texts
 * are packed by gzip for whoever accepts it, as GitHub Pages does.
 */
import { readdir, readFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { extname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, type Rolldown } from "vite";
import { fileIn, nameIn, type RangeServer, rangeOf, startRangeServer } from "../range-server.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

const types: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".svg": "image/svg+xml",
};

/** At once to a slow line. */
const PIECE_BYTES = 16_384;

/** Two headers that make a page isolated: it may then have threads. */
const isolating = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

/**
 * Paths that end in a slash get `index.html`; paths with `/none/` in them get nothing. Sets no
 * other header than those of type, length and packing, unless its pages shall be isolated. `bytesPerSecond` is what all answers together get.
 */
export function startStaticSite(
  files: Readonly<Record<string, Uint8Array>>,
  { isIsolated = false, bytesPerSecond }: { isIsolated?: boolean; bytesPerSecond?: number } = {},
): Promise<RangeServer> {
  /** When the line is free again: all answers share it. */
  let free = 0;
  const sendSlowly = async (response: ServerResponse, bytes: Uint8Array): Promise<void> => {
    free = Math.max(free, performance.now());
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      const piece = bytes.subarray(at, at + PIECE_BYTES);
      // From one piece to the next the line is not idle, however late a timer is.
      free += (1000 * piece.length) / bytesPerSecond!;
      await new Promise((go) => setTimeout(go, Math.max(0, free - performance.now())));
      response.write(piece);
    }
    response.end();
  };
  const packed = new Map<Uint8Array, Uint8Array>();
  const packedOf = (bytes: Uint8Array): Uint8Array => {
    if (!packed.has(bytes)) packed.set(bytes, gzipSync(bytes));
    return packed.get(bytes)!;
  };
  return startRangeServer(files, (request, response) => {
    const name = nameIn(request) || "index.html";
    const found = request.url!.includes("/none/") ? undefined : fileIn(files, request);
    if (rangeOf(request.headers.range) !== undefined && found !== undefined) return false;
    if (found === undefined) response.writeHead(404).end();
    else {
      const type = types[extname(name)];
      const isPacked =
        type !== undefined && /\bgzip\b/.test(String(request.headers["accept-encoding"]));
      const bytes = isPacked ? packedOf(found) : found;
      response.writeHead(200, {
        "content-type": type ?? "application/octet-stream",
        "content-length": bytes.length,
        ...(isPacked && { "content-encoding": "gzip" }),
        ...(isIsolated && isolating),
      });
      if (bytesPerSecond === undefined) response.end(bytes);
      else void sendSlowly(response, bytes);
    }
    return true;
  });
}

/** All files of a folder and below it, by their paths in it and, where no other has it, by their names alone. */
export async function filesIn(folder: string): Promise<Record<string, Uint8Array>> {
  const files: Record<string, Uint8Array> = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) {
      const path = join(entry.parentPath, entry.name);
      const bytes = await readFile(path);
      files[relative(folder, path).replaceAll(sep, "/")] = bytes;
      files[entry.name] ??= bytes;
    }
  return files;
}

/** `engram-lm/web` as a page's own bundle has it, beside the site's engine and model. */
export async function bundledLibrary(): Promise<Record<string, Uint8Array>> {
  const made = await build({
    root,
    configFile: false,
    logLevel: "error",
    worker: { format: "es" },
    build: {
      write: false,
      target: "es2024",
      assetsInlineLimit: 0,
      lib: { entry: join(root, "src", "index-web.ts"), formats: ["es"], fileName: "web" },
    },
  });
  const { output } = [made].flat()[0] as Rolldown.RolldownOutput;
  return Object.fromEntries(
    output.map((one) => [
      one.fileName.split("/").at(-1)!,
      Buffer.from(one.type === "chunk" ? one.code : one.source),
    ]),
  );
}
