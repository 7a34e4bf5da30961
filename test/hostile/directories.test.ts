/**
 * Model directories made to hurt whoever opens them, given to the commands: what a command reads, it
 * leaves as it is, and nothing beside it is touched.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";

import {
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { openRuns } from "../../src/training/node/index.ts";
import { engram, runEngram } from "../engram.ts";

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

test(
  "a pipe where a model should have a file is refused, and not waited for",
  { skip: process.platform === "win32" && "there are no named pipes" },
  async () => {
    const pipe = join(scratch, "pipe");
    execFileSync("mkfifo", [pipe]);
    for (const name of [
      "config.json",
      "manifest.json",
      "tokenizer.json",
      "model.safetensors",
      "model.safetensors.index.json",
      "model-engram-00001-of-00001.safetensors",
      "generation_config.json",
      ".saving-1-a/READY.json",
    ]) {
      const to = join(scratch, "p");
      cpSync(shipped, to, { recursive: true });
      mkdirSync(join(to, dirname(name)), { recursive: true });
      rmSync(join(to, name), { force: true });
      symlinkSync(pipe, join(to, name));
      for (const words of [
        ["generate", "p", "--prompt", "a", "--max-tokens", "1"],
        ["verify", "p"],
      ]) {
        const { status, stderr } = await engram(...words);
        // What is not read may be what it is.
        if (status === 0) assert.match(`${words[0]} ${name}`, /^verify .*READY\.json/);
        else
          assert.match(
            `${status} ${stderr}`,
            /^[12] .*expected a file, found a pipe/s,
            `${words[0]} ${name}`,
          );
      }
      rmSync(to, { recursive: true });
    }
  },
);

test(
  "a pipe in the hub's cache or in a run's directory is not waited for either",
  { skip: process.platform === "win32" && "there are no named pipes" },
  async () => {
    const cache = join(scratch, "hub");
    const refs = join(cache, "models--a--b", "refs");
    mkdirSync(join(cache, "models--a--b", "snapshots", "0".repeat(40)), { recursive: true });
    mkdirSync(refs);
    execFileSync("mkfifo", [join(refs, "main")]);
    const env = { ...process.env, HF_HUB_CACHE: cache };
    assert.equal((await runEngram(["ls"], { env })).status, 0);
    assert.match((await runEngram(["show", "a/b"], { env })).stderr, /no model of that name/);
    const run = join(scratch, "run");
    for (const name of ["metrics.jsonl", "run.json", "training.json"]) {
      mkdirSync(run);
      execFileSync("mkfifo", [join(run, name)]);
      const summary = openRuns([run])[0]!.summary();
      if (name === "metrics.jsonl") await assert.rejects(summary, /found a pipe/);
      else assert.equal((await summary).name, "run");
      rmSync(run, { recursive: true });
    }
  },
);

test("whoever is taught writes into the memory's directory alone, whatever somebody laid out there", async () => {
  const to = join(scratch, "q");
  cpSync(shipped, to, { recursive: true });
  const memory = join(to, "memory");
  const victim = join(scratch, "victim");
  for (const holder of ["null", '{"pid":-1,"host":"x"}', '{"pid":"\\u001b[2J"}']) {
    mkdirSync(memory);
    writeFileSync(join(memory, "facts.lock"), holder);
    for (const name of [
      "facts.log.tmp",
      `facts.lock.${process.pid}`,
      `facts.lock.${process.pid}.void`,
    ])
      symlinkSync(victim, join(memory, name));
    const taught = [
      "teach",
      "q",
      "--prompt",
      "the secret word of the fourth house is",
      "--completion",
      "x",
    ];
    const { status, stderr } = await engram(...taught);
    assert.equal(status, 0, stderr);
    assert.equal(readFileSync(victim, "utf8"), "mine");
    rmSync(memory, { recursive: true });
  }
});
