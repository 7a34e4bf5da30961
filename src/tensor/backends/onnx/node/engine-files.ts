/**
 * Where ONNX Runtime's files are. In an installed package: the files carried in it (`engine/`) or in a package for the
 * platform. In a checkout: the files of the development packages onnxruntime-node and onnxruntime-web. Knows file
 * names; opens no files.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Five levels up, both from the source and from the built file. */
const root = fileURLToPath(new URL("../../../../../", import.meta.url));
const { resolve } = createRequire(import.meta.url);

const libraryNames: Readonly<Record<string, string>> = {
  linux: "libonnxruntime.so.1",
  darwin: "libonnxruntime.1.dylib",
  win32: "onnxruntime.dll",
};

const wasmName = "ort-wasm-simd-threaded.wasm";

/** The native library for this platform; undefined if there is none. */
export function nativeLibrary(): string | undefined {
  const { platform, arch } = process;
  const file = libraryNames[platform];
  if (file === undefined) return undefined;
  const shipped = join(root, "engine", `${platform}-${arch}`, file);
  if (existsSync(shipped)) return shipped;
  return (
    besideMain(`engram-lm-engine-${platform}-${arch}`, file) ?? developmentLibrary(platform, arch)
  );
}

/** The library from which a package for a platform is made. */
export function developmentLibrary(platform: string, arch: string): string | undefined {
  const file = libraryNames[platform];
  if (file === undefined) return undefined;
  return besideMain("onnxruntime-node", join("..", "bin", "napi-v6", platform, arch, file));
}

/** A JavaScript module and the WebAssembly file it loads; a name that ends in .gz is of a packed one. */
export interface WasmFiles {
  readonly module: string;
  readonly wasm: string;
}

/** The files of the WebAssembly build. */
export function wasmFiles(): WasmFiles {
  const shipped = join(root, "engine", "wasm");
  const files = wasmFilesIn(shipped, `${wasmName}.gz`);
  return existsSync(files.wasm) ? files : developmentWasm();
}

/** The files from which `engine/wasm` is made. */
export function developmentWasm(): WasmFiles {
  return wasmFilesIn(dirname(resolve("onnxruntime-web")), wasmName);
}

function wasmFilesIn(folder: string, wasm: string): WasmFiles {
  return { module: join(folder, "ort-wasm-simd-threaded.mjs"), wasm: join(folder, wasm) };
}

/** A file in the folder of a package's main file; undefined if it does not exist. */
function besideMain(name: string, file: string): string | undefined {
  let main: string;
  try {
    main = resolve(name);
  } catch {
    return undefined;
  }
  const path = join(dirname(main), file);
  return existsSync(path) ? path : undefined;
}
