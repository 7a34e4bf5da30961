/** Reads the files of a built page into memory, and compresses those that become smaller. Knows files only. */
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

/** Throws the system's error if the folder does not exist, `FormatError` if it has no index.html. */
export async function readPage(directory: string): Promise<Page> {
  const page = new Map<string, PageFile>();
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    const type = types[extname(file)];
    // Other kinds of files are not part of the page.
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
