/**
 * Makes the static site: one folder that any web server serves below any path, without a header to set.
 *
 *   node scripts/build-site.ts [DIR]      default dist/site
 *
 *     index.html, assets/     the page and its worker
 *     engine/                 ONNX Runtime for WebAssembly, packed by gzip
 *     models/shakespeare/     the model that ships
 *     texts/                  what it was trained on
 */
import "../bench/setup/command-line.ts";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "vite";
import { wasmFiles } from "../src/tensor/backends/onnx/node/engine-files.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const out = process.argv[2] ?? join(root, "dist", "site");

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
  join(out, "engine", `${basename(wasm)}.gz`),
  gzipSync(readFileSync(wasm), { level: 9 }),
);
cpSync(join(root, "assets", "shakespeare"), join(out, "models", "shakespeare"), {
  recursive: true,
});
mkdirSync(join(out, "texts"));
cpSync(join(root, "assets", "tinyshakespeare.txt"), join(out, "texts", "tinyshakespeare.txt"));
console.log(out);
