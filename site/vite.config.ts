/** How the static site is built: relative addresses, nothing inlined. `scripts/build-site.ts` adds model and engine. */
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, type UserConfig } from "vite";

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
  worker: { format: "es" },
});

// oxlint-disable-next-line import/no-default-export -- Vite reads the default export
export default config;
