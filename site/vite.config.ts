/** How the static site is built: relative addresses, nothing inlined. `scripts/build-site.ts` adds model and engine. */
import { fileURLToPath } from "node:url";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { build, defineConfig, type PluginOption, type Rolldown, type UserConfig } from "vite";

/** What the worker starts the engine with, which comes first. */
const isFirst =
  /src\/(?:browser\/(?:calls|engine|progress|requests)|errors|worker\/answer-tasks)\.ts$/;

const plugins = (): PluginOption[] => [
  svelte({
    configFile: false,
    // Names of few letters: they stand in every template and every rule.
    compilerOptions: {
      runes: true,
      cssHash: ({ hash, filename }) => `s${hash(filename).slice(0, 4)}`,
    },
  }),
];

/**
 * The modules that these files cannot do without: a bundle of them alone, without what is imported when it is asked for.
 * Bundlers put what such parts share with it into files of their own, which each visit would load.
 */
async function neededBy(...files: readonly string[]): Promise<ReadonlySet<string>> {
  const made = await build({
    configFile: false,
    logLevel: "error",
    plugins: [
      plugins(),
      {
        name: "nothing-later",
        resolveDynamicImport: () => ({ id: "later", external: true }),
      },
    ],
    build: {
      write: false,
      target: "es2024",
      rolldownOptions: {
        input: files.map((file) => fileURLToPath(new URL(file, import.meta.url))),
        preserveEntrySignatures: "strict",
      },
    },
  });
  const { output } = made as Rolldown.RolldownOutput;
  const modules = output.flatMap((one) =>
    one.type === "chunk" ? Object.entries(one.modules) : [],
  );
  return new Set(modules.flatMap(([id, { renderedLength }]) => (renderedLength > 0 ? [id] : [])));
}

/** With what drives the engine, which a page without the server loads beside it. */
const server = await neededBy("src/server.ts", "../src/tensor/backends/onnx/web/ort-wasm.ts");
/** The shell and the view that is shown first, which is loaded by itself elsewhere. */
const page = await neededBy("src/page.ts", "../web/src/views/start/StartView.svelte");
const inspector = await neededBy("src/inspector.ts");
/** What starts the worker, before the page is there; without the file that waits for the page, which needs some of it. */
const isBeforePage = (id: string): boolean =>
  (inspector.has(id) && !id.endsWith("/inspector.ts")) || id.includes("vite/preload-helper");

const config: UserConfig = defineConfig({
  base: "./",
  plugins: plugins(),
  build: {
    outDir: "../dist/site",
    emptyOutDir: true,
    target: "es2024",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            { name: "worker", test: isBeforePage, priority: 1 },
            { name: "page", test: (id) => page.has(id) },
          ],
        },
      },
    },
  },
  worker: {
    format: "es",
    rolldownOptions: {
      output: {
        // Notes for other bundlers: nobody bundles these again.
        comments: { annotation: false },
        codeSplitting: {
          groups: [
            { name: "first", test: isFirst, priority: 2 },
            { name: "server", test: (id) => server.has(id), priority: 1 },
            // What other parts share is one file, in place of forty.
            { name: "later", minShareCount: 2 },
          ],
        },
      },
    },
  },
});

// oxlint-disable-next-line import/no-default-export -- Vite reads the default export
export default config;
