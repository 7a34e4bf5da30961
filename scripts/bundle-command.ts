/**
 * Makes one program of a few files of the built command line, in its place: `dist/cli/`. Loading five hundred modules
 * takes a quarter of the time to a model's first token.
 *
 *   node scripts/bundle-command.ts        after tsc
 *
 * What is found by its own place (threads' programs, engine, assets, other packages) stays where it is, and is looked
 * for from there. Libraries' users get the modules as they are. (docs/decisions/0046-one-program-of-few-files.md)
 */
import "../bench/setup/command-line.ts";
import { readdirSync, renameSync, rmSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";

const root = fileURLToPath(new URL("..", import.meta.url));
const modules = join(root, "dist", "cli");
const bundled = join(root, "dist", "cli.bundled");

await build({
  root,
  configFile: false,
  logLevel: "warn",
  publicDir: false,
  // Small libraries of many modules, of which the command line needs some at each start.
  ssr: { noExternal: ["commander", "zod"] },
  plugins: [{ name: "own-place", transform: fromOwnPlace }],
  build: {
    ssr: true,
    outDir: bundled,
    emptyOutDir: true,
    minify: false,
    target: "node22",
    rolldownOptions: {
      input: ["main", "first-run"].map((name) => join(modules, `${name}.js`)),
      output: { entryFileNames: "[name].js", chunkFileNames: "[name]-[hash].js" },
    },
  },
});
const names = readdirSync(bundled);
if (!names.includes("main.js") || !names.includes("first-run.js"))
  throw new Error(`the bundle has no programs: ${names.join(" ")}`);
rmSync(modules, { recursive: true });
renameSync(bundled, modules);

/** A module's own address, told from that of the file it comes to lie in. */
function fromOwnPlace(code: string, id: string): string | undefined {
  if (!id.startsWith(join(root, "dist")) || !code.includes("import.meta.url")) return undefined;
  const place = relative(modules, id).split(sep).join("/");
  return code.replaceAll(
    "import.meta.url",
    `new URL(${JSON.stringify(place)}, import.meta.url).href`,
  );
}
