/** `engram serve` as a process: a trained model on a port, signals, the environment, bad use. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { loadModel, ortBackend } from "../../src/index.ts";
import { trainModel } from "../../src/index-training.ts";
import { miniPreset } from "../models/mini-preset.ts";
import { libraryText } from "../models/served-model.ts";

const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const running = new Set<ChildProcess>();
let root = "";
let directory = "";

before(async () => {
  root = await mkdtemp(join(tmpdir(), "engram-serve-"));
  directory = join(root, "mini");
  const data = join(root, "text.txt");
  const lines = Array.from({ length: 400 }, (_, i) => `the ${i % 7} cats sat on mat ${i % 11}.\n`);
  await writeFile(data, lines.join(""));
  await trainModel({
    data: [data],
    preset: { ...miniPreset, training: { ...miniPreset.training, steps: 4 } },
    out: directory,
    backend: ortBackend({ threads: 2 }),
    seed: 3,
  });
});
after(async () => {
  for (const child of running) child.kill("SIGKILL");
  await rm(root, { recursive: true, force: true });
});

interface Served {
  readonly child: ChildProcess;
  readonly url: string;
  stderr(): string;
}

/** Resolves when the server says where it is. */
async function serve(words: readonly string[], env: Record<string, string> = {}): Promise<Served> {
  const child = spawn(process.execPath, [main, "serve", directory, "--threads", "2", ...words], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  child.once("close", () => running.delete(child));
  let stderr = "";
  child.stderr!.setEncoding("utf8").on("data", (part: string) => (stderr += part));
  let stdout = "";
  for await (const part of child.stdout!.setEncoding("utf8")) {
    stdout += part as string;
    const [, url] = / at (http:\S+?)\/v1\b/.exec(stdout) ?? [];
    if (url !== undefined) return { child, url, stderr: () => stderr };
  }
  throw new Error(`the server ended early: ${stderr}`);
}

test("a trained model is served, its text the library's, until SIGTERM lets the last answer out", async () => {
  const { child, url, stderr } = await serve(["--port", "0", "--alias", "mini"]);
  const request = { model: "mini", prompt: "the 3 cats", temperature: 0, max_tokens: 20 };
  const post = (body: object): Promise<Response> =>
    fetch(`${url}/v1/completions`, { method: "POST", body: JSON.stringify(body) });
  const answer = (await (await post(request)).json()) as { choices: { text: string }[] };
  await using model = await loadModel(directory, { backend: ortBackend({ threads: 2 }) });
  const expected = await libraryText(model, request.prompt, { temperature: 0, maxTokens: 20 });
  assert.equal(answer.choices[0]!.text, expected);
  // Nothing was taught: who serves a model writes nothing into it.
  assert.ok(!(await readdir(directory)).includes("memory"));
  const stream = await post({ ...request, stream: true, ignore_eos: true });
  child.kill("SIGTERM");
  const text = await stream.text();
  assert.match(text, /"finish_reason":"length"[\s\S]*data: \[DONE\]\n\n$/);
  const [status] = (await once(child, "close")) as [number | null];
  assert.equal(status, 0, stderr());
  assert.match(stderr(), /finishing what is running/);
});

test("options come from the environment, and what is written counts more", async () => {
  const env = { ENGRAM_PORT: "1", ENGRAM_API_KEY: "hush", ENGRAM_CTX_SIZE: "24" };
  const { child, url } = await serve(["--port", "0"], env);
  assert.equal((await fetch(`${url}/v1/models`)).status, 401);
  const response = await fetch(`${url}/v1/models`, { headers: { authorization: "Bearer hush" } });
  const { data } = (await response.json()) as { data: { max_model_len: number }[] };
  assert.equal(data[0]!.max_model_len, 24);
  child.kill("SIGINT");
  const [status] = (await once(child, "close")) as [number | null];
  assert.equal(status, 0);
});

test("a server on all addresses without a key starts only with --insecure, and warns", async () => {
  const refused = spawn(process.execPath, [main, "serve", directory, "--host", "0.0.0.0"]);
  let said = "";
  refused.stderr.setEncoding("utf8").on("data", (part: string) => (said += part));
  assert.deepEqual(await once(refused, "close"), [2, null]);
  assert.match(said, /other machines.*--api-key.*--insecure/);
  for (const [words, isWarned] of [
    [["--host", "0.0.0.0", "--insecure"], true],
    [["--host", "0.0.0.0", "--api-key", "hush"], false],
    [["--host", "localhost"], false],
  ] as const) {
    const { child, stderr } = await serve(["--port", "0", ...words]);
    const isSaid = /warning: 0\.0\.0\.0 can be reached by other machines/.test(stderr());
    assert.equal(isSaid, isWarned, words.join(" "));
    child.kill("SIGKILL");
    await once(child, "close");
  }
});

test("with --json the one document is there when requests are answered, and no other follows", async () => {
  const words = [main, "serve", directory, "--threads", "2", "--port", "0", "--json"];
  const child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "ignore"] });
  running.add(child);
  child.once("close", () => running.delete(child));
  let stdout = "";
  const line = new Promise<string>((resolve) => {
    child.stdout.setEncoding("utf8").on("data", (part: string) => {
      stdout += part;
      if (stdout.includes("\n")) resolve(stdout);
    });
  });
  const { model, url } = JSON.parse(await line) as { model: string; url: string };
  assert.equal(model, directory);
  assert.equal((await fetch(`${url}/health`)).status, 200);
  child.kill("SIGTERM");
  assert.deepEqual(await once(child, "close"), [0, null]);
  assert.equal(stdout.trimEnd().split("\n").length, 1);
});

test("a port that is taken is code 2 and a sentence, before anything is loaded", async () => {
  const { child, url } = await serve(["--port", "0"]);
  const { port } = new URL(url);
  const second = spawn(process.execPath, [main, "serve", directory, "--port", port]);
  let said = "";
  second.stderr.setEncoding("utf8").on("data", (part: string) => (said += part));
  assert.deepEqual(await once(second, "close"), [2, null]);
  assert.equal(
    said,
    `engram: cannot listen on port ${port} of 127.0.0.1: another program uses it; stop that program, or choose ` +
      "another port (0 takes a free one)\n",
  );
  child.kill("SIGKILL");
  await once(child, "close");
});

for (const [what, words, message] of [
  ["a key that no header carries", ["serve", ".", "--api-key", "schlüssel"], /printable ASCII/],
  ["an origin that is none", ["serve", ".", "--cors-origins", "x"], /"x" is not an origin/],
  [
    "no model",
    ["serve", "nowhere"],
    /nowhere: expected a model directory or a \.gguf file, there is nothing/,
  ],
  [
    "a port that is none",
    ["serve", ".", "--port", "70000"],
    /--port: expected a whole number from 0 to 65535, got "70000"/,
  ],
  ["a context that is too long", ["serve", "DIR", "--ctx-size", "64"], /must hold 1\.\.32 tokens/],
] as const)
  test(`${what} is code 2 with a sentence`, async () => {
    const given = words.map((word) => (word === "DIR" ? directory : word));
    const free = given.includes("--port") ? [] : ["--port", "0"];
    const child = spawn(process.execPath, [main, ...given, ...free], { cwd: root });
    running.add(child);
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (part: string) => (stderr += part));
    const [status] = (await once(child, "close")) as [number | null];
    running.delete(child);
    assert.equal(status, 2, stderr);
    assert.match(stderr, message);
  });
