/** What is offered at TAB: everything that the registry has, and in each shell that is here, by the shell itself. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Option } from "commander";
import { freshCache, pulled, random, small } from "../../../test/pulled-model.ts";
import { completeWords } from "../complete-words.ts";
import { commands } from "../registry.ts";

const modelNames = async (): Promise<string[]> => ["owner/repo", "owner/other:x.gguf"];

async function offered(...line: string[]): Promise<string[]> {
  const { words, takesPath } = await completeWords(line, { commands, modelNames });
  return [...words.map(({ word }) => word), ...(takesPath ? ["(paths)"] : [])];
}

test("every command and every option of the registry is offered", async () => {
  for (const { path, options } of commands) {
    const words = path.split(" ");
    for (const [i, word] of words.entries())
      assert.ok((await offered(...words.slice(0, i), word.slice(0, 1))).includes(word), path);
    const long = options.map(({ flags }) => new Option(flags).long!);
    assert.deepEqual(await offered(...words, "--"), [...long, "--json", "--help"], path);
  }
});

test("what is offered depends on what is expected there", async () => {
  const models = ["owner/repo", "owner/other:x.gguf"];
  for (const [line, expected] of [
    [["ta"], ["table"]],
    [
      ["table", ""],
      ["push", "verify"],
    ],
    [
      ["show", ""],
      [...models, "(paths)"],
    ],
    [
      ["show", "owner/o"],
      ["owner/other:x.gguf", "(paths)"],
    ],
    [["rm", ""], models],
    [["show", "a", ""], []],
    [["generate", "a", "--prompt", ""], []],
    [["generate", "a", "--prompt", "x", ""], []],
    [
      ["generate", "--prompt", "x", "owner/r"],
      ["owner/repo", "(paths)"],
    ],
    [
      ["audit", "a", "--donor", "owner/r"],
      ["owner/repo", "(paths)"],
    ],
    [["eval", "a", "--bpb", "f", ""], ["(paths)"]],
    [["train", "--preset", ""], []],
    [["graft", "a", "--set", ""], []],
    [["serve", "a", "--alias", ""], []],
    [["dash", "a", ""], ["(paths)"]],
    [["generate", "a", "--no-memory", "--see"], ["--seed"]],
    [
      ["completion", ""],
      ["bash", "zsh", "fish"],
    ],
    [["no-such", ""], []],
  ] as const)
    assert.deepEqual(await offered(...line), expected, line.join(" "));
});

/** For each shell: a program that prints what it offers for a line, by its own means where it has any. */
const programs: Readonly<Record<string, string>> = {
  bash: `source "$SCRIPT"
COMP_LINE="$LINE" COMP_POINT=\${#LINE}
_engram
printf '%s\\n' "\${COMPREPLY[@]}"`,
  zsh: `compdef() { : }
_describe() { print -rl -- "\${(P@)2}" }
_files() { print -r -- models }
source "$SCRIPT"
words=("\${(@s: :)LINE}")
CURRENT=\${#words}
_engram`,
  fish: `source "$SCRIPT"
complete -C "$LINE"`,
};

const main = fileURLToPath(new URL("../main.ts", import.meta.url));

for (const [shell, program] of Object.entries(programs))
  test(
    `${shell} completes`,
    { skip: spawnSync(shell, ["-c", "exit"]).status === 0 ? false : `needs ${shell}` },
    async () => {
      const files = { "x.gguf": random(3000), "y.gguf": random(4000) };
      const { cache } = await pulled({ ...small, files }, { name: "owner/repo:x.gguf" });
      await pulled({ ...small, files }, { name: "owner/repo:y.gguf", cache });
      const directory = freshCache();
      mkdirSync(join(directory, "models"), { recursive: true });
      const engram = join(directory, "engram");
      writeFileSync(engram, `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`, {
        mode: 0o755,
      });
      const script = join(directory, "script");
      writeFileSync(script, execFileSync(engram, ["completion", shell]));
      const complete = (line: string): string[] =>
        execFileSync(shell, ["-c", program], {
          cwd: directory,
          encoding: "utf8",
          env: {
            ...process.env,
            PATH: `${directory}:${process.env["PATH"]}`,
            HOME: directory,
            HF_HUB_CACHE: cache,
            LINE: line,
            SCRIPT: script,
          },
        })
          .split("\n")
          .filter((one) => one !== "")
          .map((one) =>
            one
              .replace(/\t.*/, "")
              .replaceAll("\\:", "\0")
              .replace(/:.*/, (rest) => (shell === "zsh" ? "" : rest))
              .replaceAll("\0", ":"),
          );
      assert.deepEqual(complete("engram generate x --pr"), ["--prompt"]);
      // Bash has the part before the colon already.
      const names =
        shell === "bash" ? ["x.gguf", "y.gguf"] : ["owner/repo:x.gguf", "owner/repo:y.gguf"];
      assert.deepEqual(complete("engram rm owner/repo:"), names);
      assert.ok(complete("engram show mod").some((one) => /^models\/?$/.test(one)));
    },
  );
