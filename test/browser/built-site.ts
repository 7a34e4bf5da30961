/** The static site as `npm run build:site` makes it, for tests: with two models, of which one brought the log of its training. */
import { execFile } from "node:child_process";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { sealDirectory } from "../../src/checkpoint/node/index.ts";
import { bundledLibrary, filesIn } from "./static-site.ts";

/** What a run leaves beside its model. */
const ownLog = ["metrics.jsonl", "run.json", "training.json"];

const root = fileURLToPath(new URL("../..", import.meta.url));

export interface BuiltSite extends AsyncDisposable {
  /** Scratch, gone with the site. */
  readonly folder: string;
  /** Of the site, with the library for pages of one's own and an empty page. */
  readonly files: Record<string, Uint8Array>;
}

export async function buildSite(): Promise<BuiltSite> {
  const folder = await mkdtemp(join(tmpdir(), "engram-site-"));
  const shipped = join(folder, "shipped");
  for (const name of ["shakespeare", "another"])
    await cp(join(root, "assets", "shakespeare"), join(shipped, name), { recursive: true });
  // The sample has no log of its training; here is one that has.
  for (const name of ownLog)
    await cp(join(root, "assets", "english", name), join(shipped, "another", name));
  await sealDirectory(join(shipped, "another"));
  const site = join(folder, "site");
  const script = join(root, "scripts", "build-site.ts");
  await promisify(execFile)(process.execPath, [script, site, shipped]);
  const files = {
    ...(await bundledLibrary()),
    ...(await filesIn(site)),
    "empty.html": Buffer.from("<!doctype html><title>empty</title>"),
  };
  return { folder, files, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}
