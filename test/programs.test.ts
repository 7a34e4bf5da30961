/** Programs that are run by hand say how, and do nothing else, when they are asked. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
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

function run(program: string, ...words: readonly string[]): Promise<Ending> {
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...words], { cwd: root }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : error.code, stdout, stderr }),
    );
  });
}

for (const program of programs)
  test(`${program} --help says how it is called`, async () => {
    const { code, stdout, stderr } = await run(program, "--help");
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
    assert.match(stdout, new RegExp(`^ +(?:\\S+ )*node (?:--\\S+ )*${program}`, "m"));
  });

test("a mistake on a program's command line is one line, without a stack", async () => {
  for (const [program, word] of [
    ["bench/table-growth.ts", "--no-such-option"],
    ["bench/decode.ts", "no-such-preset"],
  ] as const) {
    const { code, stderr } = await run(program, word);
    assert.equal(code, 2, stderr);
    assert.match(stderr, new RegExp(`${word}[^\\n]*\\n--help says how it is called\\n$`));
  }
});
