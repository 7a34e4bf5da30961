/**
 * The static site in Chromium, from the loopback: what it weighs, how long until its first letter, with nothing kept, at
 * once again, and when it has prepared the next visit; how long until the first token of the library alone (`loadModel` and
 * `generateText` in an empty page) with nothing kept and with what the site has kept; and how fast it writes beside Node
 * with one thread.
 *
 *   node bench/page.ts [--rounds 3] [--stay 20] [--mbit 10 --slower 4]
 *
 * "ready" is the first sentence that stands there, at the next visit that of the last one; "live" one that this visit has computed, and the letter is
 * always the model's.
 *
 * `--stay` is how many seconds a visitor is there before the next visit.
 *
 * `--mbit` is the line, of all answers together; texts travel packed, as GitHub Pages sends them, models and engine as
 * the build has packed them. `--slower` is the processor, by the DevTools protocol, which slows the page's thread and not its worker's.
 */
import { readOptions } from "./setup/command-line.ts";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { generateText, loadModel, ortBackend } from "../src/index.ts";
import type { Page } from "playwright-core";
import { TestBrowser } from "../test/browser/browser.ts";
import { bundledLibrary, filesIn, startStaticSite } from "../test/browser/static-site.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const values = readOptions({
  rounds: 3,
  stay: 20,
  mbit: undefined,
  slower: 1,
});
const rounds = values.rounds;
const folder = mkdtempSync(join(tmpdir(), "engram-page-"));
const browser = new TestBrowser();
try {
  execFileSync(process.execPath, [join(root, "scripts", "build-site.ts"), folder]);
  const files = {
    ...(await bundledLibrary()),
    ...(await filesIn(folder)),
    ...(await filesIn(join(folder, "models", "shakespeare"))),
  };
  await using server = await startStaticSite(
    { ...files, "empty.html": Buffer.from("<!doctype html>") },
    values.mbit === undefined ? {} : { bytesPerSecond: (Number(values.mbit) * 1e6) / 8 },
  );
  const packed = (name: string): number =>
    name.endsWith(".gz") ? files[name]!.length : gzipSync(files[name]!, { level: 9 }).length;

  const visits = ["cold", "again", "kept"] as const;
  const times = Object.fromEntries(visits.map((which) => [which, [] as Visit[]]));
  const tokens: Record<string, number[]> = { "nothing kept": [], kept: [] };
  let loaded = new Set<string>();
  for (let round = 0; round < rounds; round++) {
    const { page: empty } = await browser.open("about:blank");
    tokens["nothing kept"]!.push(await firstToken(empty, server.origin));
    await empty.context().close();
    const { page } = await browser.open("about:blank");
    const tools = await page.context().newCDPSession(page);
    await tools.send("Emulation.setCPUThrottlingRate", { rate: values.slower });
    for (const which of visits) {
      if (which === "kept") await page.waitForTimeout(1000 * values.stay);
      const before = server.requests.length;
      times[which]!.push(await visit(page, server.origin));
      if (which === "cold")
        loaded = new Set(server.requests.slice(before).map(({ url }) => url!.split("/").at(-1)!));
    }
    tokens["kept"]!.push(await firstToken(page, server.origin));
    await page.context().close();
  }
  const isModel = (name: string): boolean => /safetensors|\.json$|\.ngrams/.test(name);
  const isEngine = (name: string): boolean => name.startsWith("ort-wasm-simd");
  const kinds: Record<string, string[]> = { page: [], worker: [], engine: [], model: [] };
  for (const name of loaded)
    if (name in files || name === "") {
      const file = name || "index.html";
      const kind = isModel(file) ? "model" : isEngine(file) ? "engine" : "page";
      kinds[/-worker/.test(file) ? "worker" : kind]!.push(file);
    }
  for (const [kind, names] of Object.entries(kinds)) {
    const bytes = names.reduce((sum, name) => sum + packed(name), 0);
    console.log(`${kind}: ${(bytes / 1000).toFixed(1)} KB by gzip in ${names.length} files`);
  }
  const print = (what: string, all: readonly number[]): void => {
    const sorted = all.toSorted((a, b) => a - b);
    const [best, middle] = [sorted[0]!, sorted[Math.floor(sorted.length / 2)]!];
    console.log(`${what}: best ${best.toFixed(0)} ms, median ${middle.toFixed(0)} ms`);
  };
  for (const [which, all] of Object.entries(times))
    for (const what of ["shown", "ready", "letter", "live"] as const)
      print(
        `${which}, ${what}`,
        all.map((one) => one[what]),
      );
  for (const [which, all] of Object.entries(tokens))
    print(`first token of the library, ${which}`, all);

  const best: Record<string, number> = { page: 0, node: 0 };
  const { page } = await browser.open(`${server.origin}/empty.html`);
  const options = { maxTokens: 200, temperature: 0 };
  const model = await loadModel(join(root, "assets", "shakespeare"), {
    backend: () => ortBackend({ threads: 1 }),
  });
  for (let round = 0; round < 2 * rounds; round++) {
    const inPage = (await page.evaluate(`(async () => {
      const { loadModel, generateText } = await import("./web.js");
      const at = (path) => new URL(path, document.baseURI).href;
      const engine = { module: at("ort-wasm-simd-threaded.mjs"), wasm: at("ort-wasm-simd-threaded.wasm.gz") };
      globalThis.model ??= await loadModel(".", { engine, threads: 1 });
      const began = performance.now();
      for await (const _ of generateText(model, "ROMEO:", ${JSON.stringify(options)}));
      return 200_000 / (performance.now() - began);
    })()`)) as number;
    const began = performance.now();
    for await (const _ of generateText(model, "ROMEO:", options));
    const onNode = 200_000 / (performance.now() - began);
    best["page"] = Math.max(best["page"]!, inPage);
    best["node"] = Math.max(best["node"]!, onNode);
  }
  await model.close();
  console.log(
    `tokens a second, one thread, best of ${2 * rounds}: page ${best["page"]!.toFixed(0)}, ` +
      `Node ${best["node"]!.toFixed(0)}, ratio ${(best["page"]! / best["node"]!).toFixed(2)}`,
  );
} finally {
  await browser.close();
  rmSync(folder, { recursive: true });
}

/** Milliseconds from the navigation on, by the page's own clock. */
interface Visit {
  /** The shell, and a sentence of the first view, be it of the last visit. */
  readonly shown: number;
  readonly ready: number;
  /** The first letter that the model wrote in this visit, and a sentence that it has computed in it. */
  readonly letter: number;
  readonly live: number;
}

/** Looks when the page changes: who asks at every frame has frames made, which take the processor from the page. */
async function visit(page: Page, origin: string): Promise<Visit> {
  await page.goto(`${origin}/`, { waitUntil: "commit" });
  // A function, as the page's policy forbids texts that become code.
  return page.evaluate(async () => {
    interface Root {
      querySelector(path: string): object | null;
    }
    const { document, MutationObserver } = globalThis as unknown as {
      document: Root;
      MutationObserver: new (look: () => void) => { observe(root: Root, what: object): void };
    };
    const seen: Record<string, number> = {};
    const isThere = (path: string): boolean => document.querySelector(path) !== null;
    return new Promise<Visit>((resolve) => {
      const look = (): void => {
        const stands = {
          shown: isThere("button.theme"),
          ready: isThere("[data-sentence]"),
          letter: isThere("[data-continuation=on] mark"),
          live: isThere("[data-sentence]") && !isThere("[aria-busy=true]"),
        };
        for (const [what, isSo] of Object.entries(stands))
          if (isSo) seen[what] ??= performance.now();
        if (Object.keys(seen).length === 4) resolve(seen as unknown as Visit);
      };
      new MutationObserver(look).observe(document, {
        subtree: true,
        childList: true,
        attributes: true,
      });
      look();
    });
  });
}

/** Milliseconds from the navigation to an empty page on, with the site's engine and model. */
async function firstToken(page: Page, origin: string): Promise<number> {
  await page.goto(`${origin}/empty.html`);
  const milliseconds = await page.evaluate(`(async () => {
    const { loadModel, generateText } = await import("./web.js");
    const at = (name) => new URL("engine/ort-wasm-simd-threaded." + name, document.baseURI).href;
    const engine = { module: at("mjs"), wasm: at("wasm.gz") };
    const model = await loadModel("models/shakespeare", { engine, threads: 1 });
    await generateText(model, "ROMEO:", { maxTokens: 1 }).next();
    const now = performance.now();
    model.close();
    return now;
  })()`);
  return milliseconds as number;
}
