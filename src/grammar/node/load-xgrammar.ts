/**
 * Opens XGrammar. Its package is declared as an ES module, but its file is not one, so `import` and `require` both fail.
 * Here it is compiled as CommonJS. It writes the reason of an error to the console before it aborts.
 */
import { readFileSync } from "node:fs";
import { createRequire, Module } from "node:module";
import type { Xgrammar } from "../xgrammar.ts";

/** In pages of 64 KiB. A vocabulary of 150,000 tokens takes 100 MiB. */
const mostPages = (768 * 2 ** 20) / 2 ** 16;

interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(this: WasmMemory, pages: number): number;
}

interface WithMemory {
  readonly WebAssembly: { readonly Memory: { readonly prototype: WasmMemory } };
}

/** Call it in a thread that does nothing else: it changes the thread's console and `WebAssembly.Memory`. */
export function loadXgrammar(): {
  load: () => Promise<Xgrammar>;
  reasonOf: (error: unknown) => string;
} {
  let reason = "";
  console.error = (...words: unknown[]) => {
    // "[FATAL] /path/to/file.cc:902: what is wrong"
    const [, found] = /^\[FATAL\] \S+: ([^]*)$/.exec(words.map(String).join(" ")) ?? [];
    if (found !== undefined) reason = found;
  };
  console.log = console.warn = () => undefined;
  const { prototype } = (globalThis as unknown as WithMemory).WebAssembly.Memory;
  const { grow } = prototype;
  prototype.grow = function (pages) {
    if (this.buffer.byteLength / 2 ** 16 + pages > mostPages) {
      reason = "it takes too much memory";
      throw new RangeError(reason);
    }
    return grow.call(this, pages);
  };
  return {
    async load() {
      const path = createRequire(import.meta.url).resolve("@mlc-ai/web-xgrammar");
      const module = new Module(path) as Module & {
        _compile(source: string, name: string): void;
        exports: Xgrammar;
      };
      module.filename = path;
      // oxlint-disable-next-line no-underscore-dangle -- Node's own name
      module._compile(readFileSync(path, "utf8"), path.replace(/\.js$/, ".cjs"));
      return module.exports;
    },
    reasonOf: (error) =>
      reason === "" ? (error instanceof Error ? error.message : String(error)) : reason,
  };
}
