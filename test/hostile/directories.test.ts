/**
 * Model directories made to hurt whoever opens them, given to the commands as processes: what a command reads, it
 * leaves as it is, and nothing beside it is touched.
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
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const shipped = fileURLToPath(new URL("../../assets/shakespeare", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "engram-hostile-"));
after(() => rmSync(scratch, { recursive: true }));

function engram(...words: string[]): { status: number | null; stderr: string } {
  return spawnSync(process.execPath, [main, ...words], { encoding: "utf8", cwd: scratch });
}

/** Everything below `scratch`: paths, and what files hold. */
function everything(): Map<string, string> {
  const names = readdirSync(scratch, { recursive: true, encoding: "utf8" });
  const text = (path: string): string =>
    lstatSync(path).isFile() ? readFileSync(path, "latin1") : "directory";
  return new Map(names.map((name) => [name, text(join(scratch, name))]));
}

/** Commands that only read a model, and the shortest work they have. */
const readers: readonly (readonly string[])[] = [
  ["show", "m"],
  ["generate", "m", "--prompt", "a", "--max-tokens", "1"],
  ["doctor", "m"],
  ["rows", "--config", "m/config.json", "--ids", "1", "--values"],
];

test("a model directory with a list of files to delete and to replace changes nothing anywhere", () => {
  const home = join(scratch, "home");
  mkdirSync(home);
  writeFileSync(join(home, ".bashrc"), "mine");
  writeFileSync(join(scratch, "victim"), "mine");
  cpSync(shipped, join(scratch, "m"), { recursive: true });
  const staging = join(scratch, "m", ".saving-1-a");
  mkdirSync(staging);
  writeFileSync(join(staging, ".bashrc"), "theirs");
  for (const list of [
    { files: [], stale: ["../victim"] },
    { files: ["../home/.bashrc"], stale: [] },
    { files: [".bashrc"], stale: ["config.json"] },
  ]) {
    writeFileSync(join(staging, "READY.json"), JSON.stringify(list));
    const before = everything();
    for (const words of readers) {
      const { status, stderr } = engram(...words);
      assert.equal(status, 2, `${words.join(" ")}: ${stderr}`);
      assert.match(stderr, /READY\.json: expected/, words.join(" "));
      assert.deepEqual(everything(), before, words.join(" "));
    }
  }
});

test("a model that is read is left as it was, also where its last save was not finished", () => {
  const staging = join(scratch, "m", ".saving-1-a");
  rmSync(staging, { recursive: true });
  mkdirSync(staging);
  cpSync(join(shipped, "config.json"), join(staging, "config.json"));
  rmSync(join(scratch, "m", "config.json"));
  const list = { files: ["config.json"], stale: [] };
  writeFileSync(join(staging, "READY.json"), JSON.stringify(list));
  const before = everything();
  for (const words of readers.slice(0, 2)) {
    const { status, stderr } = engram(...words);
    assert.equal(status, 0, `${words.join(" ")}: ${stderr}`);
    assert.deepEqual(everything(), before, words.join(" "));
  }
});
