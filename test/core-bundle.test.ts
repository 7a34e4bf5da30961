/**
 * `engram-lm/core` as a page gets it: bundled, and run where there is no Node. What a page needs to open a model over
 * HTTP and let it write is small, has no module of Node in it, and computes what it computes on Node, bit for bit.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import test, { after, before } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { build, type InlineConfig, type Rolldown } from "vite";
import { loadModel, referenceBackend } from "../src/index.ts";
import { noBrowser, TestBrowser } from "./browser/browser.ts";
import { nameIn, type RangeServer, startRangeServer } from "./range-server.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const sample = join(root, "assets", "shakespeare");
const prompt = "ROMEO:\nIt is";

const directory = await mkdtemp(join(tmpdir(), "engram-core-"));

/** Node's own names hidden from a module. Not taken away: Node's `fetch` uses them. */
const withoutNode = `const ${[
  "process",
  "Buffer",
  "global",
  "setImmediate",
  "clearImmediate",
  "SharedArrayBuffer",
]
  .map((name) => `${name} = undefined`)
  .join()};`;

const core = JSON.stringify(join(root, "src", "index-core.ts"));

async function chunksOf(options: InlineConfig): Promise<Rolldown.OutputChunk[]> {
  const made = await build({ configFile: false, logLevel: "error", ...options });
  const { output } = [made].flat()[0] as Rolldown.RolldownOutput;
  return output.filter((one) => one.type === "chunk");
}

/** Chunks of `./core` as a library, the entry first. */
async function bundle(): Promise<Rolldown.OutputChunk[]> {
  const entry = join(directory, "entry.ts");
  await writeFile(entry, `export * from ${core};`);
  const lib = { entry, formats: ["es" as const], fileName: "core" };
  return chunksOf({ root, build: { write: false, target: "es2024", lib } });
}

/** Chunks of a page with this program, as Vite makes them if it is told nothing. */
async function bundlePage(program: string): Promise<Rolldown.OutputChunk[]> {
  const page = await mkdtemp(join(directory, "page-"));
  await writeFile(join(page, "main.ts"), program);
  await writeFile(join(page, "index.html"), `<script type="module" src="./main.ts"></script>`);
  return chunksOf({ root: page, build: { write: false } });
}

/** What a page loads before it does anything: the entry, and what that imports. */
function loadedAtOnce(chunks: readonly Rolldown.OutputChunk[]): Rolldown.OutputChunk[] {
  const loaded = new Set(chunks.filter(({ isEntry }) => isEntry));
  for (const { imports } of loaded)
    for (const chunk of chunks) if (imports.includes(chunk.fileName)) loaded.add(chunk);
  return [...loaded];
}

const browser = new TestBrowser();
let server: RangeServer;
let expected: number[];

before(async () => {
  await using model = await loadModel(sample, { backend: referenceBackend() });
  const ids = await model.tokenizer.encode(prompt);
  expected = [...(await model.createSession().append(ids)).logits];

  const page = "<!doctype html><title>core</title>";
  const files: Record<string, Uint8Array> = { "index.html": new TextEncoder().encode(page) };
  for (const name of await readdir(sample)) files[name] = await readFile(join(sample, name));
  for (const { fileName, code } of await bundle()) {
    const asModule = code.replaceAll(/(["'`]\.\/[\w-]+)\.js/g, "$1.mjs");
    await writeFile(join(directory, fileName.replace(/\.js$/, ".mjs")), withoutNode + asModule);
    files[fileName] = new TextEncoder().encode(code);
  }
  const types: Record<string, string> = { js: "text/javascript", html: "text/html" };
  server = await startRangeServer(files, (request: IncomingMessage, response: ServerResponse) => {
    const type = types[nameIn(request).split(".").at(-1)!];
    if (type === undefined) return false;
    response.writeHead(200, { "content-type": type }).end(files[nameIn(request)]);
    return true;
  });
});
after(async () => {
  await browser.close();
  await server.stop();
  await rm(directory, { recursive: true });
});

/**
 * The program of a page, in a function: where a program waits while it is loaded, Rolldown splits what it shares with
 * chunks that come later into files of their own, which compress worse.
 */
const writes = `
  import { httpSource, openModel, generateText } from ${core};
  async function run() {
    const model = await openModel(httpSource(location.href), { backend: globalThis.engine });
    for await (const piece of generateText(model, "ROMEO:")) document.body.append(piece);
  }
  void run();`;

test("a page that opens a model over HTTP and lets it write is below 60 KB gzip, without an engine", async (t) => {
  const sizes: number[] = [];
  // The second has the loops of the reference, and the driver of ONNX Runtime.
  for (const program of [writes, `import * as core from ${core}; globalThis.core = core;`]) {
    const chunks = loadedAtOnce(await bundlePage(program));
    const size = chunks.reduce((sum, { code }) => sum + gzipSync(code, { level: 9 }).length, 0);
    sizes.push(size);
    t.diagnostic(`${(size / 1000).toFixed(1)} KB in ${chunks.length} files`);
    for (const { moduleIds } of chunks)
      assert.ok(!moduleIds.some((id) => id.includes("node_modules")), `${moduleIds}`);
  }
  const [page, all] = sizes;
  assert.ok(page! < 60_000, `${page} bytes`);
  assert.ok(all! < 82_500, `${all} bytes`);
});

test("no module of Node is in it, whatever is loaded later", async () => {
  const chunks = await bundle();
  assert.ok(chunks.length > 1, "the library for other vocabularies comes when it is needed");
  for (const { code, imports, dynamicImports, moduleIds } of chunks) {
    for (const id of moduleIds) assert.doesNotMatch(relative(root, id), /(^|\/)node\//);
    for (const target of [...imports, ...dynamicImports])
      assert.ok(
        chunks.some(({ fileName }) => fileName === target),
        target,
      );
    assert.doesNotMatch(code, /["'`]node:|\b__vite-browser-external|\brequire\(/);
  }
});

/** The walk of a page, as text: it runs where none of this file is in reach. */
const walk = `
  async (core, address) => {
    const backend = core.referenceBackend();
    const model = await core.openModel(core.httpSource(address), { backend });
    const ids = await model.tokenizer.encode(${JSON.stringify(prompt)});
    const { logits } = await model.createSession().append(ids);
    const numbers = [...logits];
    let text = "";
    for await (const piece of core.generateText(model, "ROMEO:", { maxTokens: 3 })) text += piece;
    await model.close();
    return { numbers, text, sharesMemory: typeof SharedArrayBuffer !== "undefined" };
  }`;

interface Walked {
  readonly numbers: number[];
  readonly text: string;
  readonly sharesMemory: boolean;
}

function check({ numbers, text, sharesMemory }: Walked): void {
  assert.equal(sharesMemory, false);
  assert.equal(numbers.length, expected.length);
  assert.deepEqual(numbers, expected);
  assert.ok(text.length > 0);
}

test("without anything of Node it opens the sample model over HTTP, with the same logits to the bit", async () => {
  const program = `
    const core = ${JSON.stringify(pathToFileURL(join(directory, "core.mjs")).href)};
    delete globalThis.SharedArrayBuffer;
    const answer = await (${walk})(await import(core), ${JSON.stringify(server.origin)});
    console.log(JSON.stringify(answer));`;
  const file = join(directory, "program.mjs");
  await writeFile(file, program);
  const { stdout } = await promisify(execFile)(process.execPath, [file], { maxBuffer: 2 ** 26 });
  check(JSON.parse(stdout) as Walked);
});

test("in a browser it does the same", { skip: noBrowser }, async () => {
  const { page, complaints } = await browser.open(`${server.origin}/index.html`);
  const answer = await page.evaluate(
    `import("/core.js").then((core) => (${walk})(core, location.origin))`,
  );
  check(answer as Walked);
  assert.deepEqual(complaints, []);
});
