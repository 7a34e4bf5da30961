/**
 * Tokenizers and texts made to take for ever, met by the commands: a stop is obeyed, and without one a limit
 * refuses them. The rest of their kind is in `src/tokenizer/node/open-tokenizer.test.ts` and
 * `src/server/routes/chat.test.ts`.
 */
import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import test, { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { commands } from "../../src/cli/registry.ts";
import { runCli } from "../../src/cli/run-cli.ts";
import { removeSums } from "../models/remove-sums.ts";

let root = "";
let directory = "";
const shipped = fileURLToPath(new URL("../../assets/shakespeare", import.meta.url));
before(async () => {
  root = await mkdtemp(join(tmpdir(), "engram-definitions-"));
  directory = join(root, "model");
  await cp(shipped, directory, { recursive: true });
  await removeSums(directory);
  const file = join(directory, "tokenizer.json");
  const json = JSON.parse(await readFile(file, "utf8"));
  const [split] = json.pre_tokenizer.pretokenizers;
  assert.equal(split.type, "Split");
  split.pattern.Regex = "(a+)+b|[^a]";
  await writeFile(file, JSON.stringify(json));
});
after(() => rm(root, { recursive: true, force: true }));

const explosive = "a".repeat(80);

async function run(words: string[], signal: AbortSignal): Promise<{ code: number; err: string }> {
  let err = "";
  const code = await runCli(words, {
    commands,
    stdin: Readable.from([]),
    stdout: { write: () => true },
    stderr: { isTTY: false, write: (text: string) => void (err += text) },
    env: {},
    signal,
    terminal: { isInteractive: false, openBrowser: () => undefined },
  });
  return { code, err };
}

/** The two ways in which a command reads a text by a tokenizer, and how it is asked to. */
async function commandsWith(text: string): Promise<Record<string, string[]>> {
  const file = join(root, "text.txt");
  await writeFile(file, text);
  return {
    generate: ["generate", directory, "--prompt", text, "--max-tokens", "1"],
    eval: ["eval", directory, "--bpb", file],
    rows: ["rows", "--config", join(directory, "config.json"), "--text", text],
    train: [
      "train",
      "--preset",
      "tiny",
      "--data",
      file,
      "--out",
      join(root, "out"),
      "--steps",
      "1",
      "--tokenizer",
      join(directory, "tokenizer.json"),
    ],
  };
}

for (const name of ["generate", "eval", "rows", "train"])
  test(`\`engram ${name}\` obeys a stop while a hostile pattern runs`, async () => {
    const words = (await commandsWith(explosive))[name]!;
    const controller = new AbortController();
    // Comes only if this thread is free; with the pattern on it, it would stand still for longer than tests may take.
    const timer = setTimeout(() => controller.abort(), 1000);
    const { code, err } = await run(words, controller.signal);
    clearTimeout(timer);
    assert.equal(code, 130, err);
  });

test("without a stop, a limit refuses it, with a sentence", async () => {
  const { generate } = await commandsWith(explosive);
  const { code, err } = await run(generate!, new AbortController().signal);
  assert.equal(code, 2);
  assert.match(
    err,
    /the patterns of this tokenizer\.json did not cut a text of 80 characters .* within 5 s, and was stopped/,
  );
});

test("a model with such a pattern is shown, and texts that do not meet it are read", async () => {
  const { signal } = new AbortController();
  const shown = await run(["show", directory], signal);
  assert.equal(shown.code, 0, shown.err);
  const { generate } = await commandsWith("O Romeo!");
  const read = await run(generate!, signal);
  assert.equal(read.code, 0, read.err);
});
