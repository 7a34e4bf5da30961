/**
 * `engram tokenizer train` from text to file: what it writes works, and what it cannot read is refused
 * before anything is written.
 */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { type Ending, engram } from "../../../test/engram.ts";
import { parseTokenizerJson } from "../../tokenizer/index.ts";

const scratch = mkdtempSync(join(tmpdir(), "engram-tokenizer-train-"));
after(() => rmSync(scratch, { recursive: true }));

function train(...words: string[]): Promise<Ending> {
  return engram("tokenizer", "train", ...words);
}

const line = "the cat sat on the mat; the cat sat on the hat\n";
const text = join(scratch, "text.txt");
writeFileSync(text, line.repeat(50));
const lines = join(scratch, "lines.jsonl");
writeFileSync(lines, `${JSON.stringify({ id: "1", text: "κόσμε κόσμε κόσμε" })}\n`);

test("a tokenizer is learnt from all files, and reads back", async () => {
  const out = join(scratch, "tokenizer.json");
  const { status, stdout, stderr } = await train(
    "--data",
    text,
    lines,
    "--vocab-size",
    "270",
    "--out",
    out,
    "--json",
  );
  assert.equal(status, 0, stderr);
  assert.deepEqual(JSON.parse(stdout), { path: out, vocab: 270 });
  const tokenizer = await parseTokenizerJson(readFileSync(out, "utf8"));
  assert.equal(tokenizer.vocabSize, 270);
  const ids = tokenizer.encode(line);
  assert.equal(tokenizer.decode(ids), line);
  assert.ok(ids.length < line.length / 2, "the text that was learnt from is shorter in tokens");
});

test("progress is on stderr, and stdout says in words where the file is", async () => {
  const out = join(scratch, "second.json");
  const { stdout, stderr } = await train("--data", text, "--vocab-size", "260", "--out", out);
  assert.equal(stdout, `${out}: 260 tokens\n`);
  assert.match(stderr, /tokens/);
});

test("a text with too little in it gives fewer tokens, and says so", async () => {
  const out = join(scratch, "few.json");
  const { status, stdout, stderr } = await train(
    "--data",
    lines,
    "--vocab-size",
    "5000",
    "--out",
    out,
    "--json",
  );
  assert.equal(status, 0);
  assert.ok(JSON.parse(stdout).vocab < 300);
  assert.match(stderr, /too few repeated pairs/);
});

test("empty, binary and missing files, and sizes that cannot be, are bad input", async () => {
  const out = join(scratch, "never.json");
  const empty = join(scratch, "empty.txt");
  writeFileSync(empty, "");
  const binary = join(scratch, "binary.txt");
  writeFileSync(binary, Buffer.from([0xff, 0xfe, 0, 1]));
  const latin = join(scratch, "latin.txt");
  writeFileSync(latin, Buffer.from("caf\xe9", "latin1"));
  for (const [file, size, message] of [
    [empty, "300", /empty\.txt is empty/],
    [binary, "300", /binary\.txt is UTF-16 text, expected UTF-8/],
    [latin, "300", /latin\.txt is not UTF-8/],
    [join(scratch, "none.txt"), "300", /none\.txt: no such file/],
    [text, "12", /--vocab-size: expected a whole number of at least 257/],
    [text, "many", /--vocab-size: .* got "many"/],
  ] as const) {
    const { status, stderr } = await train("--data", file, "--vocab-size", size, "--out", out);
    assert.equal(status, 2, stderr);
    assert.match(stderr, message);
    assert.equal(existsSync(out), false);
  }
});

test("the text that is learnt from is not written over", async () => {
  const { status, stderr } = await train("--data", text, "--vocab-size", "260", "--out", text);
  assert.equal(status, 2);
  assert.match(stderr, /text\.txt exists; give --out another name/);
  assert.equal(readFileSync(text, "utf8"), line.repeat(50));
});
