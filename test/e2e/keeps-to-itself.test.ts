/** The engine writes no file of its own and reports to nobody, on the main thread and on others (decision 49). */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = await mkdtemp(join(tmpdir(), "engram-itself-"));
after(() => rm(root, { recursive: true, force: true }));
const here = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** In a worker thread, whose `process.env` does not reach native code. */
const inWorker = `
  import { Worker } from "node:worker_threads";
  const load = "import(" + JSON.stringify(${JSON.stringify(here("src/index.ts"))}) + ").then(async (engram) => {" +
    "const model = await engram.loadModel(" + JSON.stringify(${JSON.stringify(here("assets/shakespeare"))}) + ");" +
    "for await (const _ of engram.generateText(model, 'Ay', { maxTokens: 2 })); await model.close(); })";
  const worker = new Worker(load, { eval: true });
  worker.on("error", (error) => { throw error; });
`;

for (const [name, args] of [
  [
    "a command",
    [
      here("src/cli/main.ts"),
      "generate",
      here("assets/shakespeare"),
      "--prompt",
      "Ay",
      "--max-tokens",
      "2",
    ],
  ],
  ["a worker thread", ["--input-type=module", "--eval", inWorker]],
] as const)
  test(`${name} leaves nothing of the engine's own behind`, async () => {
    const home = join(root, name.replaceAll(" ", "-"));
    await mkdir(join(home, "tmp"), { recursive: true });
    // Where these are set, the engine is silent by itself, and the test would show nothing.
    const { CI: _, GITHUB_ACTIONS: __, TF_BUILD: ___, ...env } = process.env;
    await promisify(execFile)(process.execPath, args, {
      env: {
        ...env,
        HOME: home,
        TMPDIR: join(home, "tmp"),
        XDG_CACHE_HOME: join(home, "cache"),
        ORT_DISABLE_TELEMETRY: "",
        ORT_RUNNING_UNIT_TESTS: "",
      },
    });
    const left = await readdir(home, { recursive: true });
    assert.deepEqual(
      left.filter((path) => /microsoft|onnxruntime|mat-debug/i.test(path)),
      [],
    );
  });
