/** The engine in a real Chromium, in a page that is not isolated: the conformance suite of all backends. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { build, type Rolldown } from "vite";
import { wasmFiles } from "../../src/tensor/backends/onnx/node/engine-files.ts";
import { readWasm } from "../../src/tensor/backends/onnx/node/wasm-engine.ts";
import { noBrowser, TestBrowser } from "./browser.ts";
import type { PageResults } from "./in-page.ts";
import { startStaticSite } from "./static-site.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const inPage = join(root, "test", "browser", "in-page.ts");

const program = `
  import { runAll } from ${JSON.stringify(inPage)};
  import { backendConformance } from ${JSON.stringify(join(root, "test/conformance/backend.ts"))};
  import { fetchEngine } from ${JSON.stringify(join(root, "src/browser/engine.ts"))};
  import { wasmBackend } from ${JSON.stringify(join(root, "src/tensor/backends/onnx/index.ts"))};
  let engine;
  const files = { module: new URL("engine.mjs", location).href, wasm: new URL("engine.wasm", location).href };
  const load = (threads) => (engine ??= fetchEngine(files, { threads, fetch: globalThis.fetch.bind(globalThis) }));
  backendConformance("in a page", async () => wasmBackend({ load }), { randomGraphs: 5 });
  globalThis.results = runAll();`;

test("the backend conformance suite passes in Chromium", { skip: noBrowser }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "engram-engine-"));
  const browser = new TestBrowser(["--js-flags=--expose-gc"]);
  try {
    const entry = join(folder, "entry.ts");
    await writeFile(entry, program);
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
    const { module, wasm } = wasmFiles();
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
    t.diagnostic(`${found.passed} passed`);
    assert.equal(found.isolated, false);
    assert.deepEqual(found.failures, []);
    assert.ok(found.passed > 1000, `${found.passed} tests ran`);
    assert.deepEqual(complaints, []);
  } finally {
    await browser.close();
    await rm(folder, { recursive: true });
  }
});
