/**
 * Model directories made to hurt whoever opens them, given to the commands: what a command reads, it
 * leaves as it is, and nothing beside it is touched.
 */
import assert from "node:assert/strict";

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
import { engram } from "../engram.ts";

const shipped = fileURLToPath(new URL("../../assets/shakespeare", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "engram-hostile-"));
process.chdir(scratch);
after(() => rmSync(scratch, { recursive: true }));

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

test("a model directory with a list of files to delete and to replace changes nothing anywhere", async () => {
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
      const { status, stderr } = await engram(...words);
      assert.equal(status, 2, `${words.join(" ")}: ${stderr}`);
      assert.match(stderr, /READY\.json: expected/, words.join(" "));
      assert.deepEqual(everything(), before, words.join(" "));
    }
  }
});

test("a model that is read is left as it was, also where its last save was not finished", async () => {
  const staging = join(scratch, "m", ".saving-1-a");
  rmSync(staging, { recursive: true });
  mkdirSync(staging);
  cpSync(join(shipped, "config.json"), join(staging, "config.json"));
  rmSync(join(scratch, "m", "config.json"));
  const list = { files: ["config.json"], stale: [] };
  writeFileSync(join(staging, "READY.json"), JSON.stringify(list));
  const before = everything();
  for (const words of readers.slice(0, 2)) {
    const { status, stderr } = await engram(...words);
    assert.equal(status, 0, `${words.join(" ")}: ${stderr}`);
    assert.deepEqual(everything(), before, words.join(" "));
  }
});
