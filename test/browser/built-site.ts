/**
 * The static site as `npm run build:site` makes it, for tests, and served: with two models, of which one brought the log of
 * its training. Beside it the one that ships, opened on Node.
 */
import { execFile } from "node:child_process";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { sealDirectory } from "../../src/checkpoint/node/index.ts";
import { generateText, loadModel, type Model } from "../../src/index.ts";
import type { RangeServer } from "../range-server.ts";
import { bundledLibrary, filesIn, startStaticSite } from "./static-site.ts";

/** What a run leaves beside its model. */
const ownLog = ["metrics.jsonl", "run.json", "training.json"];

const root = fileURLToPath(new URL("../..", import.meta.url));

/** What is continued on Node and in pages. */
export const prompt = "ROMEO:\nIt is";

export interface ServedSite extends AsyncDisposable {
  /** Scratch, gone with the site. */
  readonly folder: string;
  /** Of the site, with the library for pages of one's own and an empty page. */
  readonly files: Record<string, Uint8Array>;
  readonly server: RangeServer;
  /** Below a path of its own, as on GitHub Pages. */
  readonly address: string;
  /** On Node. */
  readonly model: Model;
  /** What that model greedily writes behind `prompt`. */
  textOnNode(options: object): Promise<string>;
}

export async function serveSite(): Promise<ServedSite> {
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
  const server = await startStaticSite(files);
  const model = await loadModel(join(root, "assets", "shakespeare"));
  return {
    folder,
    files,
    server,
    address: `${server.origin}/some/path/`,
    model,
    async textOnNode(options) {
      let text = "";
      for await (const piece of generateText(model, prompt, { temperature: 0, ...options }))
        text += piece;
      return text;
    },
    async [Symbol.asyncDispose]() {
      await model.close();
      await server.stop();
      await rm(folder, { recursive: true });
    },
  };
}
