/** Every place where a file is opened says what it was given instead. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { openModelDirectory, openSafetensors, readJsonFile } from "./checkpoint/node/index.ts";
import { loadTokenizer } from "./cli/load-tokenizer.ts";
import { FormatError } from "./errors.ts";
import { openTableFile } from "./memory/stores/ranges/node/index.ts";
import { readDocuments } from "./training/node/index.ts";

const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${"0f".repeat(32)}\nsize 1234567\n`;
let directory = "";
before(async () => void (directory = await mkdtemp(join(tmpdir(), "engram-foreign-"))));
after(() => rm(directory, { recursive: true, force: true }));

const readers: Readonly<Record<string, (file: string) => Promise<unknown>>> = {
  "model.safetensors": (file) => openSafetensors(file),
  "table.engram": (file) => openTableFile(file),
  "text.jsonl": (file) => readDocuments(file).next(),
  "tokenizer.json": (file) => loadTokenizer(file),
  "ranks.tiktoken": (file) => loadTokenizer(file),
  "some.json": (file) => readJsonFile(file),
  "config.json": () => openModelDirectory(directory),
};

for (const [name, read] of Object.entries(readers))
  test(`a git-LFS pointer in the place of ${name} is named, with what to do`, async () => {
    const file = join(directory, name);
    await writeFile(file, pointer);
    await assert.rejects(read(file), (error: unknown) => {
      assert.ok(error instanceof FormatError, String(error));
      assert.ok(error.message.startsWith(`${file} is a git-LFS pointer, expected `), error.message);
      assert.match(error.message, /git lfs pull/);
      return true;
    });
  });

test("a model's tokenizer and chat template that are pointers are named, too", async () => {
  const model = join(directory, "model");
  await mkdir(model);
  await writeFile(join(model, "config.json"), "{}");
  await writeFile(join(model, "tokenizer.json"), pointer);
  await writeFile(join(model, "chat_template.jinja"), pointer);
  await using files = await openModelDirectory(model);
  await assert.rejects(files.tokenizer(), /tokenizer\.json is a git-LFS pointer/);
  await assert.rejects(files.chatTemplate(), /chat_template\.jinja is a git-LFS pointer/);
});

test("other kinds are named where they lie: packed weights, a table in an archive", async () => {
  for (const [name, begin, expected] of [
    [
      "model.safetensors",
      "GGUF\x03\0\0\0\x01\0\0\0",
      /is a GGUF file, expected a safetensors file; it is a model by itself: give its own path/,
    ],
    ["model.safetensors", "\x1f\x8b\x08\0\0\0\0\0\0\x03", /is compressed with gzip/],
    ["table.engram", "PK\x03\x04\x14\0\0\0", /is a ZIP archive, expected a table file; unpack it/],
    ["some.json", '\xff\xfe{\0"\0', /is UTF-16 text, expected UTF-8 text; convert it/],
  ] as const) {
    const file = join(directory, name);
    await writeFile(file, Buffer.from(begin.padEnd(200, "\0"), "latin1"));
    await assert.rejects(readers[name]!(file), expected);
  }
});
