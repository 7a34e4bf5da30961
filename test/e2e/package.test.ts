/**
 * What a stranger gets: the tarball that `npm pack` makes, installed into an empty project, asked there. Nothing of the
 * checkout is in reach of what is run but its Node and its compiler.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, relative } from "node:path";
import test, { after, before, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { noBrowser, TestBrowser } from "../browser/browser.ts";
import { filesIn, startStaticSite } from "../browser/static-site.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
// A system's folder for such things may be a link, which what is run below would not show.
const scratch = realpathSync(mkdtempSync(join(tmpdir(), "engram-package-")));
after(() => rmSync(scratch, { recursive: true, force: true }));

const project = join(scratch, "project");
const installed = join(project, "node_modules", "engram-lm");
const hasNative = process.platform === "linux" && process.arch === "x64";
/** The oldest Node that package.json allows, as a package without install scripts. */
const oldest = `node-${process.platform}-${process.arch}`;
const { engines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  engines: { node: string };
};
const oldestVersion = `${engines.node.replace(">=", "")}.0`;
/** Why nothing can be installed here. */
let offline: string | undefined;

interface Ending {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const isNpms = /^npm_(?!config_(?:cache|userconfig)$)/;

function run(command: string, args: readonly string[], cwd = project): Ending {
  // What the outer npm says to its scripts is not meant for the one in here.
  const inherited = Object.entries(process.env).filter(([name]) => !isNpms.test(name));
  const path = `${dirname(process.execPath)}${delimiter}${process.env["PATH"]}`;
  const env = { ...Object.fromEntries(inherited), PATH: path };
  return spawnSync(command, args, { cwd, encoding: "utf8", env, maxBuffer: 2 ** 26 });
}

/** As the outer `npm test` was called, or as it is found. */
const npmProgram = process.env["npm_execpath"];

function npm(args: readonly string[], cwd = project): Ending {
  return npmProgram === undefined
    ? run("npm", args, cwd)
    : run(process.execPath, [npmProgram, ...args], cwd);
}

/** False where no registry can be reached; any other failure is one. */
function install(...packages: readonly string[]): boolean {
  // Without install scripts, as npm 12 does it unasked.
  const options = ["--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund"];
  const { status, stdout, stderr } = npm(["install", ...options, ...packages]);
  const [noRegistry] =
    /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED/.exec(stderr) ??
    [];
  if (noRegistry !== undefined)
    offline = `no registry (${noRegistry}), so nothing can be installed`;
  else assert.equal(status, 0, stdout + stderr);
  return noRegistry === undefined;
}

before(() => {
  const copy = join(scratch, "copy");
  const left = [
    "node_modules",
    "dist",
    ".git",
    "data",
    "models",
    "runs",
    "engine/linux-x64",
    "engine/wasm",
  ];
  cpSync(root, copy, { recursive: true, filter: (from) => !left.includes(relative(root, from)) });
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), '{ "private": true, "type": "module" }');
  const packed = npm(["pack", "--pack-destination", scratch], copy);
  assert.equal(packed.status, 0, packed.stderr);
  rmSync(copy, { recursive: true });
  const tarball = readdirSync(scratch).find((name) => name.endsWith(".tgz"))!;
  install(join(scratch, tarball));
});

function installTest(name: string, check: (t: TestContext) => void | Promise<void>): void {
  test(name, (t) => (offline === undefined ? check(t) : t.skip(offline)));
}

/** Runs a module of the project. */
function program(text: string): Ending {
  writeFileSync(join(project, "program.mjs"), text);
  return run(process.execPath, ["program.mjs"]);
}

/** What computes, and the library it has loaded. */
const askBackend = `
  import { readFileSync } from "node:fs";
  import { ortBackend } from "engram-lm";
  console.log(ortBackend({ threads: 1 }).name);
  for (const [path] of readFileSync("/proc/self/maps", "utf8").matchAll(/\\/.*libonnxruntime.*/g)) {
    console.log(path);
    break;
  }`;

installTest("the package takes less than 130 MB on disk, with all it needs", (t) => {
  const entries = readdirSync(join(project, "node_modules"), { recursive: true, encoding: "utf8" });
  const bytes = entries
    .map((name) => lstatSync(join(project, "node_modules", name)))
    .reduce((sum, { blocks }) => sum + 512 * blocks, 0);
  t.diagnostic(`${(bytes / 1e6).toFixed(1)} MB`);
  assert.ok(bytes < 130e6, `${(bytes / 1e6).toFixed(1)} MB`);
  assert.ok(entries.includes("koffi") && !entries.includes("onnxruntime-node"));
});

installTest("its own native engine is the active one", (t) => {
  if (!hasNative) return t.skip("the package carries a native library for Linux x64 only");
  const { stdout, stderr } = program(askBackend);
  const library = join(installed, "engine", "linux-x64", "libonnxruntime.so.1");
  assert.deepEqual({ stdout, stderr }, { stdout: `onnx\n${library}\n`, stderr: "" });
});

installTest("npx engram-lm in a pipe writes text and ends", () => {
  const { status, stdout, stderr } = npm(["exec", "--offline", "engram-lm"]);
  assert.equal(status, 0, stderr);
  assert.match(
    stdout,
    /--- memory on ---\nThe city of[\s\S]{50,}--- memory off ---\nThe city of[\s\S]{50,}bits per byte/,
  );
  assert.doesNotMatch(stdout, /serving/);
  assert.deepEqual(readdirSync(project).includes("models"), false);
});

installTest("npx engram-lm with words, and npx engram, are the command", () => {
  for (const name of ["engram-lm", "engram"]) {
    const { status, stdout } = npm(["exec", "--offline", "--", name, "--version"]);
    const { version } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8")) as {
      version: string;
    };
    assert.deepEqual({ status, stdout }, { status: 0, stdout: `${version}\n` });
  }
});

installTest("types resolve without skipLibCheck", () => {
  writeFileSync(
    join(project, "types.mts"),
    `import { loadModel, generateText, openHttpStore, ortBackend, type RowStore } from "engram-lm";
     import { httpSource, openModel, type ByteSource } from "engram-lm/core";
     import { audit, packDocuments, type AuditReport } from "engram-lm/eval";
     import { createServer, listen, type ServerOptions } from "engram-lm/server";
     import { findPreset, trainModel, type Preset } from "engram-lm/training";
     await using model = await loadModel("models/book", { backend: ortBackend() });
     for await (const piece of generateText(model, "Once")) process.stdout.write(piece);
     const store: RowStore = await openHttpStore("http://localhost/rows");
     // @ts-expect-error -- an answer of the type any would take this
     const wrong: number = store;
     const preset: Preset = findPreset("tiny");
     await trainModel({ preset, data: ["a.txt"], out: "models/a", backend: ortBackend() });
     const source: ByteSource = httpSource("http://localhost/book");
     await openModel(source, { backend: ortBackend() });
     const options: ServerOptions = { alias: "book" };
     await listen(createServer(model, options).fetch, { host: "127.0.0.1", port: 0 });
     const text = await packDocuments([{ text: "Once" }], model.tokenizer);
     const report: AuditReport = await audit(model, { text });
     console.log(wrong, report);`,
  );
  const compiler = join(root, "node_modules", "@typescript", "native", "bin", "tsc");
  const options = [
    "--strict",
    "--skipLibCheck",
    "false",
    "--module",
    "nodenext",
    "--target",
    "es2022",
  ];
  const { status, stdout } = run(process.execPath, [compiler, "--noEmit", ...options, "types.mts"]);
  assert.deepEqual({ status, stdout }, { status: 0, stdout: "" });
});

installTest("package.json can be imported, and says where the source is", () => {
  const { stdout } = program(`
    import description from "engram-lm/package.json" with { type: "json" };
    console.log(Object.keys(description).join());`);
  for (const key of ["repository", "homepage", "bugs", "keywords", "license"])
    assert.match(stdout, new RegExp(`\\b${key}\\b`));
});

installTest("every program of the README runs on the oldest Node allowed and on this one", (t) => {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const snippets = [...readme.matchAll(/^```(?:[jt]s|javascript|typescript)\n([\s\S]*?)^```/gm)];
  assert.ok(snippets.length > 0);
  if (!install("--no-save", `${oldest}@${oldestVersion}`)) return t.skip(offline);
  cpSync(join(installed, "assets", "shakespeare"), join(project, "models", "book"), {
    recursive: true,
  });
  // Enough of a book for a vocabulary and a part held out.
  const book = readFileSync(join(root, "assets", "tinyshakespeare.txt"), "utf8").slice(0, 60_000);
  writeFileSync(join(project, "book.txt"), book);
  for (const node of [join(project, "node_modules", oldest, "bin", "node"), process.execPath])
    for (const [, snippet] of snippets) {
      rmSync(join(project, "models", "mine"), { recursive: true, force: true });
      writeFileSync(join(project, "snippet.ts"), snippet!);
      const { status, stdout, stderr } = run(node, ["snippet.ts"]);
      assert.equal(status, 0, `${node}: ${stderr}`);
      assert.ok(stdout.length > 20, stdout);
    }
});

installTest("with Vite and fifteen lines, a model writes in a page", async (t) => {
  if (noBrowser !== false) return t.skip(noBrowser);
  const folder = join(project, "page");
  mkdirSync(folder);
  writeFileSync(
    join(folder, "index.html"),
    '<!doctype html><title>…</title><pre></pre><script type="module" src="./main.js"></script>',
  );
  writeFileSync(
    join(folder, "main.js"),
    `import { generateText, loadModel } from "engram-lm/web";
     const out = document.querySelector("pre");
     const model = await loadModel("model", { onProgress: ({ file }) => (document.title = file) });
     for await (const piece of generateText(model, "ROMEO:", { maxTokens: 20, temperature: 0 }))
       out.append(piece);
     document.title = "done";`,
  );
  await build({
    root: folder,
    base: "./",
    configFile: false,
    logLevel: "error",
    build: { target: "es2024" },
  });
  const { stdout } = program(`
    import { generateText, loadModel } from "engram-lm";
    const model = await loadModel("node_modules/engram-lm/assets/shakespeare");
    for await (const piece of generateText(model, "ROMEO:", { maxTokens: 20, temperature: 0 }))
      process.stdout.write(piece);
    await model.close();`);
  const model = await filesIn(join(installed, "assets", "shakespeare"));
  await using server = await startStaticSite({
    ...model,
    ...(await filesIn(join(folder, "dist"))),
  });
  const browser = new TestBrowser();
  try {
    const { page, complaints } = await browser.open(`${server.origin}/a/page/`);
    await page.waitForFunction('document.title === "done"');
    assert.equal(await page.locator("pre").textContent(), stdout);
    assert.deepEqual(complaints, []);
  } finally {
    await browser.close();
  }
});

// From here on the installed package is damaged.

installTest("a library that does not load: WebAssembly computes, and stderr says why, once", () => {
  if (hasNative) {
    const library = join(installed, "engine", "linux-x64", "libonnxruntime.so.1");
    writeFileSync(library, "no library");
  }
  const { status, stdout, stderr } = npm(["exec", "--offline", "engram-lm"]);
  assert.equal(status, 0, stderr);
  assert.match(stdout, /--- memory on ---\nThe city of[\s\S]{50,}1\.497 bits per byte/);
  const [said, ...more] = stderr.split("\n").filter((line) => line.includes("WebAssembly"));
  assert.match(said!, hasNative ? /libonnxruntime\.so\.1: .*(short|invalid)/ : /none came for/);
  assert.deepEqual(more, []);
});

installTest("a package with a library for another platform is used where it is installed", (t) => {
  if (!hasNative) return t.skip("only Linux x64 can show which library is loaded");
  rmSync(join(installed, "engine", "linux-x64"), { recursive: true });
  const beside = join(project, "node_modules", "engram-lm-engine-linux-x64");
  const made = run(
    process.execPath,
    ["scripts/engine-package.ts", "linux-x64", "--out", beside],
    root,
  );
  assert.equal(made.status, 0, made.stderr);
  const { stdout } = program(askBackend);
  assert.equal(stdout, `onnx\n${join(beside, "libonnxruntime.so.1")}\n`);
  for (const file of ["LICENSE", "ThirdPartyNotices"])
    assert.ok(readdirSync(beside).includes(`onnxruntime-${file}.txt`));
});

installTest(
  "without koffi's binary a model is opened and writes in WebAssembly, its table on disk",
  () => {
    rmSync(join(project, "node_modules", "@koromix"), { recursive: true });
    const { status, stdout, stderr } = program(`
    import { generateText, loadModel } from "engram-lm";
    for (const options of [{}, { tableMemory: 2 ** 20 }]) {
      const model = await loadModel("node_modules/engram-lm/assets/shakespeare", options);
      let text = "";
      for await (const piece of generateText(model, "ROMEO:", { maxTokens: 8 })) text += piece;
      console.log(JSON.stringify(text));
      await model.close();
    }`);
    assert.equal(status, 0, stderr);
    const [first, second] = stdout.trim().split("\n");
    assert.ok(first!.length > 8, stdout);
    assert.equal(second, first);
    assert.match(stderr, /ENGRAM_NO_NATIVE_ENGINE.*koffi/);
  },
);
