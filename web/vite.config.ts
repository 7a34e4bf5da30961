/** How the page is built: into dist/web, with relative addresses, nothing inlined, no other host named. */
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, type UserConfig } from "vite";

const config: UserConfig = defineConfig({
  base: "./",
  plugins: [svelte({ configFile: false, compilerOptions: { runes: true } })],
  build: {
    outDir: "../dist/web",
    emptyOutDir: true,
    target: "es2023",
    // The page's Content-Security-Policy allows files of its own origin only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    // `vite web` during development, beside an `engram serve` on its usual port.
    proxy: Object.fromEntries(
      [
        "/v1",
        "/engram",
        "/props",
        "/version",
        "/metrics",
        "/health",
        "/tokenize",
        "/detokenize",
      ].map((path) => [path, "http://127.0.0.1:8080"]),
    ),
  },
});

// oxlint-disable-next-line import/no-default-export -- Vite reads the default export
export default config;
