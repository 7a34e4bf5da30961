/**
 * Makes the static site: one folder that any web server serves below any path, without a header to set.
 *
 *   node scripts/build-site.ts [DIR [MODELS]]      default dist/site, and the folders of assets/
 *
 *     index.html, assets/     the page and its worker
 *     offline.js              the service worker that keeps the pages and the engine
 *     engine/                 ONNX Runtime for WebAssembly, packed by gzip
 *     models/shakespeare/     the model that opens first, and beside it each other one that ships
 *                             (files of numbers and counts are there packed by gzip, too)
 *     models/models.json      their names, and how much a visitor loads of each
 *     texts/                  what it was trained on
 */
import "../bench/setup/command-line.ts";
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "vite";
import { isPacked } from "../src/browser/packed-files.ts";
import { wasmFiles } from "../src/tensor/backends/onnx/node/engine-files.ts";
import { readWasm } from "../src/tensor/backends/onnx/node/wasm-engine.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const out = process.argv[2] ?? join(root, "dist", "site");
const shipped = process.argv[3] ?? join(root, "assets");

await build({
  root: join(root, "site"),
  configFile: join(root, "site", "vite.config.ts"),
  logLevel: "error",
  build: { outDir: out },
});
const { module, wasm } = wasmFiles();
mkdirSync(join(out, "engine"));
cpSync(module, join(out, "engine", basename(module)), { dereference: true });
writeFileSync(
  join(out, "engine", `${basename(wasm, ".gz")}.gz`),
  gzipSync(await readWasm(wasm), { level: 9 }),
);
for (const name of modelsIn(shipped)) {
  const folder = join(out, "models", name);
  cpSync(join(shipped, name), folder, { recursive: true });
  for (const file of readdirSync(folder).filter(isPacked))
    writeFileSync(
      join(folder, `${file}.gz`),
      gzipSync(readFileSync(join(folder, file)), { level: 9 }),
    );
}
const models = modelsIn(join(out, "models"))
  .map((name) => ({ name, bytes: loadedBytes(join(out, "models", name)) }))
  .toSorted((a, b) => a.bytes - b.bytes);
writeFileSync(join(out, "models", "models.json"), JSON.stringify(models));
mkdirSync(join(out, "texts"));
cpSync(join(root, "assets", "tinyshakespeare.txt"), join(out, "texts", "tinyshakespeare.txt"));
keepOffline();
console.log(out);

/** Folders with a model, or with folders with one. */
function modelsIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name === "config.json")
    .map(({ parentPath }) => relative(folder, parentPath).split(sep).join("/"))
    .filter((name) => existsSync(join(folder, name, "manifest.json")));
}

function loadedBytes(folder: string): number {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith(".md") && !isPacked(entry.name))
    .reduce((sum, entry) => sum + statSync(join(folder, entry.name)).size, 0);
}

/** Writes the service worker, which knows the files of this build, and is another when one of them is. */
function keepOffline(): void {
  const files = ["index.html"];
  for (const folder of ["assets", "engine"])
    for (const file of readdirSync(join(out, folder)).toSorted()) files.push(`${folder}/${file}`);
  files.push("models/models.json");
  for (const { name } of models) {
    const report = `models/${name}/training.json`;
    if (existsSync(join(out, report))) files.push(report);
  }
  const hash = createHash("sha256");
  for (const file of files) hash.update(file).update(readFileSync(join(out, file)));
  const worker = readFileSync(join(root, "site", "offline.js"), "utf8")
    .replace("VERSION", hash.digest("hex").slice(0, 16))
    .replace('["FILES"]', JSON.stringify(files));
  writeFileSync(join(out, "offline.js"), worker);
}
