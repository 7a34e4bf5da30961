/** How the static site is built: relative addresses, nothing inlined. `scripts/build-site.ts` adds model and engine. */
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, type UserConfig } from "vite";

/** What starts the engine, which comes first. */
const isFirst = /src\/(?:browser\/(?:calls|engine|progress|requests)|errors|worker\/.*)\.ts$/;

/** Not what trains, which seldom comes. */
const isShared = (id: string): boolean => !/src\/(?:training\/.*|corpus-of-text)\.ts$/.test(id);

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
        // What several parts of the worker use is one file, in place of sixty.
        codeSplitting: {
          groups: [
            { name: "first", test: isFirst, priority: 1 },
            { name: "shared", minShareCount: 2, test: isShared },
          ],
        },
      },
    },
  },
});

// oxlint-disable-next-line import/no-default-export -- Vite reads the default export
export default config;
