import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { FormatError } from "../../errors.ts";
import { loadTokenizer } from "../../cli/load-tokenizer.ts";
import { openModelDirectory, readJsonFile, readTextFile } from "./index.ts";

let directory = "";
let file = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "engram-text-"));
  file = join(directory, "some.json");
});
after(() => rm(directory, { recursive: true, force: true }));

const mark = Buffer.from([0xef, 0xbb, 0xbf]);

function refused(pattern: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof FormatError, String(error));
    assert.ok(error.message.startsWith(file), error.message);
    assert.match(error.message, pattern);
    return true;
  };
}

test("a byte order mark at the beginning is not part of a text, and one further on is", async () => {
  await writeFile(file, Buffer.concat([mark, Buffer.from("ä\ufeffb")]));
  assert.equal(await readTextFile(file), "ä\ufeffb");
  await writeFile(file, Buffer.concat([mark, Buffer.from('{"a": "\u2028"}')]));
  assert.deepEqual(await readJsonFile(file), { a: "\u2028" });
  await writeFile(file, mark);
  assert.equal(await readTextFile(file), "");
});

test("every file of settings may begin with the mark: config, generation, index, tokenizer, template", async () => {
  const model = join(directory, "marked");
  await mkdir(model);
  const put = (name: string, text: string): Promise<void> =>
    writeFile(join(model, name), Buffer.concat([mark, Buffer.from(text)]));
  await put("config.json", '{"model_type": "engram"}');
  await put("generation_config.json", '{"do_sample": true}');
  await put("model.safetensors.index.json", '{"weight_map": {}}');
  const tokenizer =
    '{"added_tokens": [], "model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []}}';
  await put("tokenizer.json", tokenizer);
  await put("tokenizer_config.json", '{"chat_template": "from the settings"}');
  await using files = await openModelDirectory(model);
  assert.deepEqual(files.config, { model_type: "engram" });
  assert.deepEqual(files.generationConfig, { do_sample: true });
  assert.equal((await files.tensors()).size, 0);
  assert.equal(await files.tokenizer(), tokenizer);
  assert.equal(await files.chatTemplate(), "from the settings");
  await put("chat_template.jinja", "{{ messages }}");
  assert.equal(await files.chatTemplate(), "{{ messages }}");
  assert.equal((await loadTokenizer(join(model, "tokenizer.json"))).vocabSize, 2);
});

test("bytes that are no UTF-8 are refused, where they were read as other characters", async () => {
  for (const bytes of [
    [0x22, 0xe4, 0x22],
    [0x22, 0xed, 0xa0, 0x80, 0x22],
    [0x22, 0xc0, 0xaf, 0x22],
  ]) {
    await writeFile(file, Buffer.from(bytes));
    await assert.rejects(readJsonFile(file), refused(/is not UTF-8 text; convert it/));
  }
});

test("a name that is given twice is refused, however it is spelled", async () => {
  for (const text of ['{"a": 1, "b": {"a": 2}, "a": 3}', '{"x": [{"a": 1, "\\u0061": 1}]}']) {
    await writeFile(file, text);
    await assert.rejects(readJsonFile(file), refused(/the name "a" occurs twice/));
  }
  await writeFile(file, '{"a": {"a": [{"a": 1}, {"a": 2}]}, "b": "\\"a\\": {"}');
  assert.deepEqual(await readJsonFile(file), { a: { a: [{ a: 1 }, { a: 2 }] }, b: '"a": {' });
});

test("brackets without end are refused, not walked until the stack is used up", async () => {
  const deep = 200_000;
  for (const text of [
    `${"[".repeat(deep)}${"]".repeat(deep)}`,
    `{"hidden_act": ${'{"a":'.repeat(deep)}1${"}".repeat(deep)}}`,
  ]) {
    await writeFile(file, text);
    await assert.rejects(readJsonFile(file), refused(/nested deeper than 64/));
  }
});

test("a file of any size, and one without an end, is read to a limit", async () => {
  await writeFile(file, "{");
  await truncate(file, 2 ** 28 + 1);
  await assert.rejects(readTextFile(file), refused(/longer than 268435456 bytes/));
  if (process.platform !== "linux") return;
  await assert.rejects(readTextFile("/dev/zero"), /\/dev\/zero is longer than/);
});

test("what cannot be read says which file it is", async () => {
  for (const [path, code] of [
    [directory, "EISDIR"],
    [join(directory, "none.json"), "ENOENT"],
  ] as const)
    await assert.rejects(readJsonFile(path), { code, path });
});
