/** The conformance suite of all backends, bundled for a page and run there with a build of the engine. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Rolldown } from "vite";
import type { WasmFiles } from "../../src/tensor/backends/onnx/node/engine-files.ts";
import { readWasm } from "../../src/tensor/backends/onnx/node/wasm-engine.ts";
import type { ConformanceOptions } from "../conformance/backend.ts";
import type { TestBrowser } from "./browser.ts";
import type { PageResults } from "./in-page.ts";
import { startStaticSite } from "./static-site.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const inPage = join(root, "test", "browser", "in-page.ts");

export interface SuiteResults extends PageResults {
  /** Whether the page was isolated. */
  readonly isolated: boolean;
  /** As `OpenPage.complaints`. */
  readonly complaints: readonly string[];
}

export async function suiteInPage(
  browser: TestBrowser,
  { module, wasm }: WasmFiles,
  options: ConformanceOptions,
): Promise<SuiteResults> {
  const folder = await mkdtemp(join(tmpdir(), "engram-engine-"));
  try {
    const entry = join(folder, "entry.ts");
    await writeFile(entry, programWith(options));
    const names = ["node:test", "node:assert/strict", "node:assert", "node:v8", "node:vm"];
    const made = await build({
      root,
      configFile: false,
      logLevel: "error",
      resolve: { alias: names.map((find) => ({ find, replacement: inPage })) },
      build: {
        write: false,
        target: "es2024",
        minify: false,
        lib: { entry, formats: ["es"], fileName: "suite" },
      },
    });
    const { output } = [made].flat()[0] as Rolldown.RolldownOutput;
    const files: Record<string, Uint8Array> = {
      "index.html": Buffer.from("<!doctype html><title>engine</title>"),
      "engine.mjs": await readFile(module),
      "engine.wasm": await readWasm(wasm),
    };
    for (const one of output) if (one.type === "chunk") files[one.fileName] = Buffer.from(one.code);
    await using server = await startStaticSite(files);
    const { page, complaints } = await browser.open(`${server.origin}/index.html`);
    const found = (await page.evaluate(
      `import("/${output[0].fileName}").then(async () => ({ ...(await results), isolated: crossOriginIsolated }))`,
    )) as PageResults & { isolated: boolean };
    return { ...found, complaints };
  } finally {
    await rm(folder, { recursive: true });
  }
}

function programWith(options: ConformanceOptions): string {
  return `
  import { runAll } from ${JSON.stringify(inPage)};
  import { backendConformance } from ${JSON.stringify(join(root, "test/conformance/backend.ts"))};
  import { fetchEngine } from ${JSON.stringify(join(root, "src/browser/engine.ts"))};
  import { wasmBackend } from ${JSON.stringify(join(root, "src/tensor/backends/onnx/index.ts"))};
  let engine;
  const files = { module: new URL("engine.mjs", location).href, wasm: new URL("engine.wasm", location).href };
  const load = (threads) => (engine ??= fetchEngine(files, { threads, fetch: globalThis.fetch.bind(globalThis) }));
  backendConformance("in a page", async () => wasmBackend({ load }), ${JSON.stringify(options)});
  globalThis.results = runAll();`;
}
