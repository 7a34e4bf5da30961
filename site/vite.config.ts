/** How the static site is built: relative addresses, nothing inlined. `scripts/build-site.ts` adds model and engine. */
import { defineConfig, type UserConfig } from "vite";

const config: UserConfig = defineConfig({
  base: "./",
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
