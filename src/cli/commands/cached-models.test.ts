/** `engram ls` and `engram rm` over a cache that a pull from a stub of the hub has made. */
import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Answer, HubContent } from "../../../test/hub-server.ts";
import { modelToSave } from "../../../test/models/model-to-save.ts";
import { f32, ggufBytes } from "../../../test/models/write-gguf.ts";
import {
  freshCache,
  inFolder,
  pulled,
  random,
  refused,
  small,
} from "../../../test/pulled-model.ts";
import { saveModel } from "../../save-model.ts";
import { commands } from "../registry.ts";
import { runCli } from "../run-cli.ts";

async function engram(
  words: readonly string[],
  { cache, typed }: { cache: string; typed?: string },
): Promise<{ code: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const code = await runCli(words, {
    commands,
    stdin: Readable.from([typed ?? ""]),
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
    env: { HF_HUB_CACHE: cache },
    signal: new AbortController().signal,
    terminal: { isInteractive: typed !== undefined, openBrowser: undefined },
  });
  return { code, out, err };
}

async function inDirectory<T>(directory: string, work: () => Promise<T>): Promise<T> {
  const before = process.cwd();
  mkdirSync(directory, { recursive: true });
  process.chdir(directory);
  try {
    return await work();
  } finally {
    process.chdir(before);
  }
}

const here = freshCache();
await saveModel(join(here, "models", "tiny"), await modelToSave());
const own: HubContent = {
  ...small,
  files: Object.fromEntries(
    readdirSync(join(here, "models", "tiny")).map((name) => [
      name,
      new Uint8Array(readFileSync(join(here, "models", "tiny", name))),
    ]),
  ),
};

test("a saved model that went over a hub is listed as the one it was, and is whole", async () => {
  const { cache, path } = await pulled(own);
  const { out } = await inDirectory(here, () => engram(["ls", "--json"], { cache }));
  const { models } = JSON.parse(out) as { models: Record<string, unknown>[] };
  assert.equal(models.length, 2);
  const [local, remote] = models;
  assert.equal(local!["name"], "models/tiny");
  assert.equal(remote!["name"], "owner/repo");
  assert.equal(remote!["path"], path);
  for (const key of ["architecture", "parameters", "dtype", "bytes", "hasMemory"])
    assert.equal(remote![key], local![key], key);
  const shown = JSON.parse((await engram(["show", "owner/repo", "--json"], { cache })).out);
  assert.equal(remote!["parameters"], shown.weights);
  assert.equal(remote!["architecture"], shown.kind);
  assert.equal(remote!["hasMemory"], true);
  const { code, err } = await engram(["verify", "owner/repo"], { cache });
  assert.equal(code, 0, err);
});

test("--seal writes nothing into the cache, by whatever way it is named", async () => {
  const { cache, path } = await pulled(own);
  const before = readdirSync(path);
  const link = freshCache();
  symlinkSync(path, link);
  for (const name of ["owner/repo", path, link]) {
    const { code, err } = await engram(["verify", name, "--seal"], { cache });
    assert.equal(code, 2);
    assert.match(err, /is in the cache of the hub's clients/);
  }
  assert.deepEqual(readdirSync(path), before);
});

test("a model that cannot be read is listed with the reason, and hides no other", async () => {
  const { cache } = await pulled(small);
  writeFileSync(join(cache, "a file"), "");
  mkdirSync(join(cache, "models--..--x", "snapshots", "a".repeat(40)), { recursive: true });
  mkdirSync(join(cache, "datasets--a--b", "snapshots", "a".repeat(40)), { recursive: true });
  await pulled({ ...own, repo: "owner/other" }, { cache, name: "owner/other" });
  const { out, code } = await inDirectory(freshCache(), () => engram(["ls"], { cache }));
  assert.equal(code, 0);
  const [, other, bad, ...rest] = out.trimEnd().split("\n");
  assert.match(other!, /^owner\/other +engram .* yes$/);
  assert.match(bad!, /^owner\/repo +unreadable .*model\.safetensors/);
  assert.deepEqual(rest, []);
});

test("GGUF files are models by themselves, here and in the cache", async () => {
  const bytes = ggufBytes({
    settings: { "general.architecture": ["text", "llama"] },
    tensors: [
      { name: "a", sides: [3, 4], type: 0, bytes: f32(...Array.from({ length: 12 }, () => 1)) },
    ],
  });
  const { cache } = await pulled({ ...small, files: { "x.gguf": bytes } });
  const directory = freshCache();
  mkdirSync(directory);
  writeFileSync(join(directory, "y.GGUF"), bytes);
  const { out } = await inDirectory(directory, () => engram(["ls", "--json"], { cache }));
  const same = { architecture: "llama", parameters: 12, dtype: "F32", hasMemory: false };
  const { models } = JSON.parse(out) as { models: { name: string; path?: string }[] };
  for (const model of models) delete model.path;
  assert.deepEqual(models, [
    { name: "y.GGUF", isCached: false, ...same, bytes: bytes.length },
    { name: "owner/repo:x.gguf", isCached: true, ...same, bytes: bytes.length },
  ]);
});

test("a GGUF model in several files is pulled, listed and removed as one", async () => {
  const golden = fileURLToPath(new URL("../../../test/golden/gguf-parts", import.meta.url));
  const files = Object.fromEntries(
    readdirSync(golden).map((name) => [name, new Uint8Array(readFileSync(join(golden, name)))]),
  );
  const names = Object.keys(files);
  const bytes = Object.values(files).reduce((sum, { length }) => sum + length, 0);
  const { cache, path } = await pulled({ ...small, files });
  const second = await pulled({ ...small, files }, { name: `owner/repo:${names[1]}` });
  assert.deepEqual(readdirSync(dirname(second.path)), names);
  assert.deepEqual(readdirSync(dirname(path)), names);
  const { out } = await inDirectory(freshCache(), () => engram(["ls", "--json"], { cache }));
  const [model, ...rest] = JSON.parse(out).models;
  assert.deepEqual(rest, []);
  assert.deepEqual(
    [model.name, model.bytes, model.architecture],
    [`owner/repo:${names[0]}`, bytes, "qwen2"],
  );
  const { "model.safetensors": beside } = small.files;
  const other = await pulled(
    { ...small, files: { ...files, "other.gguf": beside! } },
    { name: "owner/repo:other.gguf", cache },
  );
  assert.equal((await engram(["rm", `owner/repo:${names[0]}`, "--yes"], { cache })).code, 0);
  assert.deepEqual(readdirSync(dirname(other.path)), ["other.gguf"]);
  await refused(/qwen2-00002-of-00003.gguf is missing, a part of qwen2-00001/, {
    ...small,
    files: { [names[0]!]: files[names[0]!]! },
  });
});

test("without a model, ls says how to get one", async () => {
  const empty = await inDirectory(freshCache(), () => engram(["ls"], { cache: freshCache() }));
  assert.deepEqual([empty.code, empty.out], [0, ""]);
  assert.match(empty.err, /engram pull owner\/repo/);
});

test("rm takes what no other snapshot has, and nothing else", async () => {
  const first = await pulled(small);
  const { cache } = first;
  const files = { ...small.files, "model.safetensors": random(7000) };
  const second = await pulled({ ...small, files, commit: "d".repeat(40) }, { cache });
  const blobs = join(inFolder(cache), "blobs");
  assert.equal(readdirSync(blobs).length, 5);
  const freed = await engram(["rm", "owner/repo", "--yes", "--json"], { cache });
  assert.deepEqual(JSON.parse(freed.out), { name: "owner/repo", removed: true, bytes: 7000 });
  assert.ok(!existsSync(second.path));
  assert.equal(readdirSync(blobs).length, 4);
  for (const name of readdirSync(first.path)) readFileSync(join(first.path, name));
  assert.equal((await engram(["rm", "owner/repo", "--yes"], { cache })).code, 2);
  await engram(["rm", `owner/repo@${small.commit}`, "--yes"], { cache });
  assert.deepEqual(readdirSync(cache), []);
});

test("rm of a snapshot with files of its own, or links out of it, takes no blob of another", async () => {
  const first = await pulled(small);
  const { cache } = first;
  const files = { ...small.files, "model.safetensors": random(7000) };
  const second = await pulled({ ...small, files, commit: "d".repeat(40) }, { cache });
  writeFileSync(join(second.path, "notes.txt"), "mine");
  symlinkSync("../..", join(second.path, "up"));
  assert.equal((await engram(["rm", "owner/repo", "--yes"], { cache })).code, 0);
  assert.ok(!existsSync(second.path));
  for (const name of readdirSync(first.path)) readFileSync(join(first.path, name));
});

test("rm of one file of a repository leaves the others", async () => {
  const files = { "a.gguf": random(3000), "b.gguf": random(4000) };
  const { cache } = await pulled({ ...small, files }, { name: "owner/repo:a.gguf" });
  const { path } = await pulled({ ...small, files }, { name: "owner/repo:b.gguf", cache });
  assert.equal((await engram(["rm", "owner/repo:a.gguf", "--yes"], { cache })).code, 0);
  assert.deepEqual(readdirSync(dirname(path)), ["b.gguf"]);
  readFileSync(path);
});

test("rm asks at a terminal, and without one wants --yes", async () => {
  const { cache, path } = await pulled(small);
  const asked = await engram(["rm", "owner/repo"], { cache, typed: "n\n" });
  assert.match(asked.out, /^remove owner\/repo \(.* in .*\)\? \[y\/N\]/);
  assert.ok(existsSync(path));
  const none = await engram(["rm", "owner/repo"], { cache });
  assert.deepEqual([none.code, existsSync(path)], [2, true]);
  assert.match(none.err, /add --yes/);
  await engram(["rm", "owner/repo"], { cache, typed: "y\n" });
  assert.ok(!existsSync(path));
});

test("rm removes nothing outside the cache", async () => {
  const { cache } = await pulled(small);
  for (const name of ["models/tiny", "../..", "owner/repo@../../..", "owner/none", here])
    await inDirectory(here, async () => {
      const { code, err } = await engram(["rm", name, "--yes"], { cache });
      assert.equal(code, 2, name);
      assert.match(err, /is not in /, name);
    });
  assert.ok(existsSync(join(here, "models", "tiny", "config.json")));
});

test("rm follows no link to what lies elsewhere", async () => {
  const { cache, path } = await pulled(small);
  const files = { ...small.files, "model.safetensors": random(7000) };
  await pulled({ ...small, files, commit: "d".repeat(40) }, { cache });
  const elsewhere = freshCache();
  renameSync(dirname(path), elsewhere);
  symlinkSync(elsewhere, dirname(path));
  const { code, err } = await engram(["rm", "owner/repo", "--yes"], { cache });
  assert.equal(code, 2);
  assert.match(
    err,
    /snapshots: expected a folder of the cache, got a link to .*; nothing was written or removed/,
  );
  assert.equal(readdirSync(elsewhere).length, 2);
});

test("rm clears away a pull that did not end", async () => {
  const cache = freshCache();
  const answer: Answer = ({ url = "" }, response) =>
    url.endsWith("/model.safetensors") && (response.destroy(), true);
  await assert.rejects(pulled(small, { cache, answer }));
  assert.equal(readdirSync(cache).length, 1);
  assert.equal((await engram(["rm", "owner/repo", "--yes"], { cache })).code, 0);
  assert.deepEqual(readdirSync(cache), []);
});
