/**
 * The files of the inspector page: from the package, or, in a checkout, built from its sources. A checkout builds the
 * page at its first request and whenever its sources are newer.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { EngramError } from "../errors.ts";
import { readPage } from "../server/node/index.ts";
import type { Page } from "../server/index.ts";

const here = dirname(fileURLToPath(import.meta.url));
/** Sources run only in a checkout: Node strips no types below node_modules. */
const isCheckout = import.meta.url.endsWith(".ts");
const root = join(here, "..", "..");
const built = isCheckout ? join(root, "dist", "web") : join(here, "..", "web");

/** Rejects with an explanation if there is no page and none can be built. */
export async function inspectorPage({ note }: { note: (line: string) => void }): Promise<Page> {
  if (isCheckout && (await isOld())) {
    note("building the inspector page from web/");
    await build();
  }
  return readPage(built);
}

async function isOld(): Promise<boolean> {
  if (!existsSync(join(built, "index.html"))) return true;
  const { mtimeMs } = await stat(join(built, "index.html"));
  const entries = await readdir(join(root, "web"), { recursive: true, withFileTypes: true });
  for (const entry of entries)
    if (entry.isFile() && (await stat(join(entry.parentPath, entry.name))).mtimeMs > mtimeMs)
      return true;
  return false;
}

/** Builds beside the old page and then replaces it, so that readers always see a whole page. */
async function build(): Promise<void> {
  const vite = viteProgram();
  await mkdir(join(root, "dist"), { recursive: true });
  const parent = await mkdtemp(join(root, "dist", "web-new-"));
  try {
    await run([vite, "build", "web", "--outDir", join(parent, "web"), "--logLevel", "error"]);
    await rename(built, join(parent, "old")).catch(unless("ENOENT"));
    // Another process may have built the same page meanwhile; then that one stays.
    await rename(join(parent, "web"), built).catch(unless("ENOTEMPTY", "EEXIST"));
  } finally {
    await rm(parent, { recursive: true, force: true });
  }
}

function unless(...codes: readonly string[]): (error: NodeJS.ErrnoException) => void {
  return (error) => {
    if (!codes.includes(error.code ?? "")) throw error;
  };
}

function viteProgram(): string {
  const require = createRequire(import.meta.url);
  try {
    return join(dirname(require.resolve("vite/package.json")), "bin", "vite.js");
  } catch {
    throw new EngramError(
      "no_page",
      "this checkout has no built page and no vite to build one with; run npm install (with its " +
        "development packages), or npm run build:web where they are",
    );
  }
}

function run(args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      cwd: root,
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) resolve();
      else reject(new EngramError("no_page", `building the page failed: ${said.trim()}`));
    });
  });
}
