/** Reads a built page from its folder into memory, compressing once what is worth it. Knows files only. */
import { readdir, readFile } from "node:fs/promises";
import { extname, join, relative, sep } from "node:path";
import { gzipSync } from "node:zlib";
import { FormatError } from "../../errors.ts";
import type { Page, PageFile } from "../page.ts";

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".json": "application/json",
};

/** Throws the system's error if there is no such folder, `FormatError` if it holds no page. */
export async function readPage(directory: string): Promise<Page> {
  const page = new Map<string, PageFile>();
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    const type = types[extname(file)];
    // What has no type here was not built for the page.
    if (type === undefined) continue;
    const bytes = new Uint8Array(await readFile(file));
    const gzip = new Uint8Array(gzipSync(bytes, { level: 9 }));
    const path = relative(directory, file).split(sep).join("/");
    page.set(path, { type, bytes, ...(gzip.length < bytes.length && { gzip }) });
  }
  if (!page.has("index.html"))
    throw new FormatError(
      `${directory} holds no index.html; build the page with npm run build:web`,
    );
  return page;
}
