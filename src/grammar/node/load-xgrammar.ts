/**
 * Opens XGrammar in a thread of its own. Its package calls itself a module and its file is none, so `import` and `require`
 * both fail on it; here it is compiled as what it is. It writes the reason of a failure to the console and gives up.
 */
import { readFileSync } from "node:fs";
import { createRequire, Module } from "node:module";
import type { Xgrammar } from "../xgrammar.ts";

/** Pages of 64 KiB. A vocabulary of 150,000 tokens takes 100 MiB. */
const mostPages = (768 * 2 ** 20) / 2 ** 16;

interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(this: WasmMemory, pages: number): number;
}

interface WithMemory {
  readonly WebAssembly: { readonly Memory: { readonly prototype: WasmMemory } };
}

/** For a thread that does nothing else: its console and its memory are changed. */
export function loadXgrammar(): {
  load: () => Promise<Xgrammar>;
  reasonOf: (error: unknown) => string;
} {
  let said = "";
  const keep = (...words: unknown[]): void => void (said = words.map(String).join(" "));
  let reason = "";
  console.error = (...words: unknown[]) => {
    keep(...words);
    // "[FATAL] /path/to/file.cc:902: what is wrong"
    const [, found] = /^\[FATAL\] \S+: ([^]*)$/.exec(said) ?? [];
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
