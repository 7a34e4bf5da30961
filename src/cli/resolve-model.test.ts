/** MODEL on the command line, in every command: a path, or the name of a model in a cache made by a pull. */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as z from "zod";
import type { Answer } from "../../test/hub-server.ts";
import { commit, freshCache, pulled, random, small, text } from "../../test/pulled-model.ts";
import { path } from "./arguments.ts";
import { type Command, defineCommand } from "./command.ts";
import { commands } from "./registry.ts";
import { modelArgument, resolveModel } from "./resolve-model.ts";
import { runCli } from "./run-cli.ts";

async function run(
  words: string[],
  options: { commands: readonly Command[]; cache: string },
): Promise<{ code: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const code = await runCli(words, {
    commands: options.commands,
    stdin: process.stdin,
    stdout: { write: (written) => (out += written) },
    stderr: { write: (written) => (err += written) },
    env: { HF_HUB_CACHE: options.cache, HF_ENDPOINT: "http://127.0.0.1:1" },
    signal: new AbortController().signal,
    terminal: { isInteractive: false, openBrowser: undefined },
  });
  return { code, out, err };
}

const { cache, path: snapshot } = await pulled(small);
const where = { env: { HF_HUB_CACHE: cache }, program: "engram" };

test("a name means what was pulled, and a path that exists comes before it", async () => {
  assert.equal(await resolveModel("owner/repo", where), snapshot);
  assert.equal(await resolveModel(`owner/repo@${commit}`, where), snapshot);
  assert.equal(await resolveModel(snapshot, where), snapshot);
  const before = process.cwd();
  const here = freshCache();
  mkdirSync(join(here, "owner", "repo"), { recursive: true });
  process.chdir(here);
  try {
    assert.equal(await resolveModel("owner/repo", where), "owner/repo");
  } finally {
    process.chdir(before);
  }
});

test("a file of a repository is named behind it", async () => {
  const files = { "a.gguf": random(3000), "b.gguf": random(4000) };
  const content = { ...small, files };
  const first = await pulled(content, { name: "owner/repo:a.gguf" });
  const inIt = { env: { HF_HUB_CACHE: first.cache }, program: "engram" };
  assert.equal(await resolveModel("owner/repo:a.gguf", inIt), first.path);
  assert.equal(await resolveModel("owner/repo", inIt), first.path);
  await assert.rejects(resolveModel("owner/repo:b.gguf", inIt), /engram pull owner\/repo:b\.gguf/);
  await pulled(content, { name: "owner/repo:b.gguf", cache: first.cache });
  await assert.rejects(
    resolveModel("owner/repo", inIt),
    /name one: owner\/repo:a\.gguf, owner\/repo:b\.gguf/,
  );
});

test("a pull that did not end leaves the model of before, and a new one has no name", async () => {
  const answer: Answer = ({ url = "" }, response) =>
    url.endsWith("/model.safetensors") && (response.destroy(), true);
  const newer = {
    ...small,
    commit: "d".repeat(40),
    files: { ...small.files, "config.json": text("{ }") },
  };
  const old = await pulled(small);
  const files = { ...newer.files, "model.safetensors": random(6000) };
  await assert.rejects(pulled({ ...newer, files }, { cache: old.cache, answer }));
  const inIt = { env: { HF_HUB_CACHE: old.cache }, program: "engram" };
  assert.equal(await resolveModel("owner/repo", inIt), old.path);
});

test("what leads out of the cache is no name", async () => {
  for (const name of [
    "../repo",
    "owner/..",
    "owner/repo@../../x",
    "owner/repo:../x",
    "a/b/c",
    "owner/repo:.x",
    "",
  ])
    assert.equal(await resolveModel(name, where), name);
});

test("every command that takes a model takes its name, and offers the pull of one that is not there", async () => {
  const takers = commands.filter(({ arguments: names = [] }) =>
    names.some(({ name }) => name === "MODEL"),
  );
  assert.ok(takers.length >= 10);
  for (const command of takers) {
    const needed = command.options
      .filter(({ isRequired }) => isRequired)
      .flatMap(({ flags }) => [flags.split(" ")[0]!, "x"]);
    const others = (command.arguments ?? []).slice(1).map(() => "x");
    const words = [...command.path.split(" "), "owner/none", ...others, ...needed];
    const { code, err } = await run(words, { commands, cache });
    assert.equal(code, 2, command.path);
    assert.match(err, /engram pull owner\/none\n$/, command.path);
  }
});

test("options whose value is a MODEL are resolved, too, and a typing error stays one where it is no name", async () => {
  const show = defineCommand({
    path: "compare",
    summary: "compare",
    description: "compare",
    arguments: [{ ...modelArgument, isOptional: true }],
    options: [
      { flags: "--donor-model <MODEL>", description: "a model" },
      { flags: "--text <FILE>", description: "a text" },
    ],
    examples: [],
    schema: z.object({
      model: path.optional(),
      donorModel: path.optional(),
      text: path.optional(),
    }),
    run: async (input) => input,
  });
  const made = { commands: [show], cache };
  const given = [
    "compare",
    "tinny",
    "--donor-model",
    "owner/repo",
    "--text",
    "owner/repo",
    "--json",
  ];
  assert.deepEqual(JSON.parse((await run(given, made)).out), {
    model: "tinny",
    donorModel: snapshot,
    text: "owner/repo",
  });
  assert.deepEqual(JSON.parse((await run(["compare", "--json"], made)).out), {});
});
