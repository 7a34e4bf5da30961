/** Programs that are run by hand say how, and do nothing else, when they are asked; examples work as they stand. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const programs = ["bench", "scripts"].flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
    .map((name) => join(folder, name)),
);

interface Ending {
  readonly code: unknown;
  readonly stdout: string;
  readonly stderr: string;
}

function run(
  program: string,
  { words, cwd = root }: { words: readonly string[]; cwd?: string },
): Promise<Ending> {
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...words], { cwd }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : error.code, stdout, stderr }),
    );
  });
}

for (const program of programs)
  test(`${program} --help says how it is called`, async () => {
    const { code, stdout, stderr } = await run(program, { words: ["--help"] });
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
    assert.match(stdout, new RegExp(`^ +(?:\\S+ )*node (?:--\\S+ )*${program}`, "m"));
  });

for (const example of readdirSync(join(root, "examples")))
  test(`examples/${example} runs in a fresh clone, without arguments and wherever one stands`, async () => {
    const { code, stdout, stderr } = await run(join(root, "examples", example), {
      words: [],
      cwd: tmpdir(),
    });
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
    assert.match(stdout, /next token +\d+ ".+"/);
  });

test("a mistake on a program's command line is one line, without a stack", async () => {
  for (const [program, words, said] of [
    ["bench/table-growth.ts", ["--no-such-option"], "--no-such-option"],
    ["bench/table-growth.ts", ["--rounds", "many"], 'a number for --rounds, got "many"'],
    ["bench/matmul-rate.ts", ["1", ""], 'a number for seconds, got ""'],
    ["bench/matmul-rate.ts", ["1", "1", "1"], "at most 2 words .threads seconds., got 3"],
    ["bench/tokenizer-train.ts", [], "file has to be given"],
    ["bench/decode.ts", ["no-such-preset"], "no-such-preset"],
  ] as const) {
    const { code, stderr } = await run(program, { words });
    assert.equal(code, 2, stderr);
    assert.match(stderr, new RegExp(`${said}[^\\n]*\\n--help says how it is called\\n$`));
  }
});
