/**
 * Puts ONNX Runtime's files where a package carries them. They come from the development packages
 * onnxruntime-node and onnxruntime-web, whose other parts no user needs.
 *
 *   node scripts/engine-package.ts                        into engine/: Linux x64 and WebAssembly (what prepack does)
 *   node scripts/engine-package.ts TARGET --out DIR       a package engram-lm-engine-TARGET in DIR, to be published
 *
 * TARGET is a platform and an architecture in Node's words: linux-arm64, darwin-arm64, win32-x64, win32-arm64.
 */
import { readWords } from "../bench/setup/command-line.ts";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { InvalidConfigError } from "../src/errors.ts";
import {
  developmentLibrary,
  developmentWasm,
} from "../src/tensor/backends/onnx/node/engine-files.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const engine = join(root, "engine");
const { target, out: outFolder } = readWords({ target: undefined }, { out: undefined });

if (target !== undefined) writePackage(target, outFolder);
else {
  copy([libraryFor("linux-x64")], join(engine, "linux-x64"));
  const { module, wasm } = developmentWasm();
  copy([module], join(engine, "wasm"));
  // 3.7 MB in place of 13.9: most never load it.
  const packed = gzipSync(readFileSync(wasm), { level: 9 });
  writeFileSync(join(engine, "wasm", `${basename(wasm)}.gz`), packed);
}

/** The library with its licence and notices, and a description that npm installs on that platform only. */
function writePackage(to: string, out: string | undefined): void {
  if (out === undefined) throw new InvalidConfigError("--out DIR is missing");
  const library = libraryFor(to);
  const notices = readdirSync(engine).filter((name) => name.endsWith(".txt"));
  mkdirSync(out, { recursive: true });
  if (readdirSync(out).length > 0) throw new InvalidConfigError(`${out} is not empty`);
  copy([library, ...notices.map((name) => join(engine, name))], out);
  const { license, repository, version } = JSON.parse(
    readFileSync(join(root, "package.json"), "utf8"),
  ) as Record<string, unknown>;
  const [os, cpu] = to.split("-");
  const description = {
    name: `engram-lm-engine-${to}`,
    version,
    description: `ONNX Runtime's library for ${to}, as engram-lm uses it`,
    license,
    repository,
    os: [os],
    cpu: [cpu],
    main: basename(library),
  };
  writeFileSync(join(out, "package.json"), `${JSON.stringify(description, null, 2)}\n`);
}

function libraryFor(to: string): string {
  const [platform, arch] = to.split("-");
  const library = developmentLibrary(platform!, arch ?? "");
  if (library === undefined)
    throw new InvalidConfigError(`onnxruntime-node has no library for ${to}`);
  return library;
}

/** Into a folder that then holds these files and no older ones. */
function copy(files: readonly string[], to: string): void {
  rmSync(to, { recursive: true, force: true });
  mkdirSync(to, { recursive: true });
  for (const file of files) cpSync(file, join(to, basename(file)), { dereference: true });
}
