/** How the static site is built: relative addresses, nothing inlined. `scripts/build-site.ts` adds model and engine. */
import { fileURLToPath } from "node:url";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { build, defineConfig, type Rolldown, type UserConfig } from "vite";

/** What starts the engine, which comes first. */
const isFirst =
  /src\/(?:browser\/(?:calls|engine|progress|requests)|errors|worker\/answer-tasks)\.ts$/;

/**
 * The modules of which something is in the server's first file: a bundle of it alone, without what is imported when it is
 * asked for. Bundlers put what such parts share with it into files of their own, which each visit would load.
 */
async function firstOfServer(): Promise<ReadonlySet<string>> {
  const made = await build({
    configFile: false,
    logLevel: "error",
    plugins: [
      {
        name: "nothing-later",
        resolveDynamicImport: () => ({ id: "later", external: true }),
      },
    ],
    build: {
      write: false,
      target: "es2024",
      rolldownOptions: {
        input: fileURLToPath(new URL("src/server.ts", import.meta.url)),
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

const first = await firstOfServer();

const config: UserConfig = defineConfig({
  base: "./",
  plugins: [svelte({ configFile: false, compilerOptions: { runes: true } })],
  build: {
    outDir: "../dist/site",
    emptyOutDir: true,
    target: "es2024",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  worker: {
    format: "es",
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            { name: "first", test: isFirst, priority: 2 },
            { name: "server", test: (id) => first.has(id), priority: 1 },
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
