/**
 * Makes the static site: one folder that any web server serves below any path, without a header to set.
 *
 *   node scripts/build-site.ts [DIR]      default dist/site
 *
 *     index.html, assets/     the page and its worker
 *     offline.js              the service worker that keeps the pages and the engine
 *     engine/                 ONNX Runtime for WebAssembly, packed by gzip
 *     models/shakespeare/     the model that ships
 *     texts/                  what it was trained on
 */
import "../bench/setup/command-line.ts";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
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
keepOffline();
console.log(out);

/** Writes the service worker, which knows the files of this build, and is another when one of them is. */
function keepOffline(): void {
  const files = ["index.html"];
  for (const folder of ["assets", "engine"])
    for (const file of readdirSync(join(out, folder)).toSorted()) files.push(`${folder}/${file}`);
  files.push("models/shakespeare/training.json");
  const hash = createHash("sha256");
  for (const file of files) hash.update(file).update(readFileSync(join(out, file)));
  const worker = readFileSync(join(root, "site", "offline.js"), "utf8")
    .replace("VERSION", hash.digest("hex").slice(0, 16))
    .replace('["FILES"]', JSON.stringify(files));
  writeFileSync(join(out, "offline.js"), worker);
}
