/**
 * `engram token-map` and the ways into `engram rows` that need a tokenizer, on a
 * vocabulary put together here: the 256 bytes, spellings of "a", and an end-of-document token.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { engram } from "../../../test/engram.ts";

const main = fileURLToPath(new URL("../main.ts", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "engram-token-map-"));
after(() => rmSync(scratch, { recursive: true }));

/** GPT-2's byte alphabet: printable Latin-1 stands for itself, the rest for U+0100 and on. */
function byteAlphabet(): string[] {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, b) => {
    const isPrintable = (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
    return String.fromCharCode(isPrintable ? b : next++);
  });
}

const eos = "<|endoftext|>";
const merges = [
  ["Ġ", "a"],
  ["Ġ", "A"],
  ["a", "b"],
] as const;
const tokens = [...byteAlphabet(), ...merges.map(([l, r]) => l + r)];
const tokenizer = join(scratch, "tokenizer.json");
writeFileSync(
  tokenizer,
  JSON.stringify({
    version: "1.0",
    added_tokens: [{ id: tokens.length, content: eos, special: true }],
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
    decoder: { type: "ByteLevel" },
    model: {
      type: "BPE",
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: merges.map((pair) => pair.join(" ")),
    },
  }),
);
const vocab = tokens.length + 1;
const idOf = (token: string): number => tokens.indexOf(token);

test("the document has the sizes of the map, and the digest of the file it writes", async () => {
  const out = join(scratch, "map.i32");
  const { status, stdout } = await engram("token-map", tokenizer, "--out", out, "--json");
  assert.equal(status, 0);
  const document = JSON.parse(stdout);
  const bytes = readFileSync(out);
  assert.equal(document.vocab, vocab);
  assert.equal(bytes.length, 4 * vocab);
  assert.equal(document.sha256, createHash("sha256").update(bytes).digest("hex"));
  const map = Array.from({ length: vocab }, (_, i) => bytes.readInt32LE(4 * i));
  assert.equal(document.compressed, Math.max(...map) + 1);
  // By first occurrence, and case and the space before a word do not count.
  assert.equal(map[0], 0);
  for (const spelling of ["a", "Ġa", "ĠA"]) assert.equal(map[idOf(spelling)], map[idOf("A")]);
  assert.notEqual(map[idOf("ab")], map[idOf("a")]);
  // TAB, LF and CR are white space and share the id of the space; 26 capitals share their letters'.
  for (const code of [9, 10, 13, 32]) assert.equal(map[code], map[9]);
  assert.equal(map[0x5a], map[0x7a]);
});

test("no file is written over", async () => {
  const text = readFileSync(tokenizer, "utf8");
  const { status, stderr } = await engram("token-map", tokenizer, "--out", tokenizer);
  assert.equal(status, 2);
  assert.match(stderr, /exists; give --out another name/);
  assert.equal(readFileSync(tokenizer, "utf8"), text);
});

test("a text, its token ids and their compressed ids address the same rows", async () => {
  const out = join(scratch, "map-of-rows.i32");
  const { compressed } = JSON.parse(
    (await engram("token-map", tokenizer, "--out", out, "--json")).stdout,
  );
  const map = readFileSync(out);
  const config = join(scratch, "config.json");
  const json = {
    engram_layer_ids: [3],
    engram_max_ngram_size: 3,
    engram_n_heads: 2,
    engram_vocab_size: 50,
    engram_pad_token_id: vocab - 1,
    engram_compressed_vocab_size: compressed,
  };
  writeFileSync(config, JSON.stringify(json));
  const ids = ["Ġa", "ab", "A"].map(idOf);
  const small = ids.map((id) => map.readInt32LE(4 * id));
  const rows = async (...words: string[]): Promise<unknown> =>
    JSON.parse((await engram("rows", "--config", config, ...words, "--json")).stdout);
  const byText = await rows("--text", " aabA");
  assert.deepEqual(await rows("--ids", ids.join(",")), byText);
  assert.deepEqual(await rows("--ids", ids.join(","), "--tokenizer", tokenizer), byText);
  // With compressed ids the pad is compressed, too.
  const pad = map.readInt32LE(4 * (vocab - 1));
  writeFileSync(config, JSON.stringify({ ...json, engram_pad_token_id: pad }));
  assert.deepEqual(await rows("--compressed-ids", small.join(",")), byText);
});

test("a tokenizer that does not belong to the config is refused with both sizes", async () => {
  const config = join(scratch, "foreign.json");
  writeFileSync(
    config,
    JSON.stringify({
      engram_layer_ids: [3],
      engram_max_ngram_size: 3,
      engram_n_heads: 2,
      engram_vocab_size: 50,
      engram_pad_token_id: 2,
      engram_compressed_vocab_size: 99_092,
    }),
  );
  const { status, stderr } = await engram("rows", "--config", config, "--text", "a");
  assert.equal(status, 2);
  assert.match(stderr, /99092.*every address would change/);
});

test("an id outside the vocabulary is refused with the id and the vocabulary", async () => {
  const config = join(scratch, "config.json");
  const { status, stderr } = await engram("rows", "--config", config, "--ids", "5,100000");
  assert.equal(status, 2);
  assert.match(stderr, /100000/);
});

test("what is no tokenizer is code 2 with the file's name", async () => {
  const text = join(scratch, "text.json");
  writeFileSync(text, "To be, or not to be");
  const { status, stderr } = await engram("token-map", text);
  assert.equal(status, 2);
  assert.ok(stderr.startsWith(`engram: ${text}: `), stderr);
  assert.equal((await engram("token-map", scratch)).status, 2);
});

test("ranks of .tiktoken and their special tokens give the map of the same vocabulary", async () => {
  const ranks = join(scratch, "ranks.tiktoken");
  const bytes = Array.from({ length: 256 }, (_, b) => Buffer.of(b));
  const merged = [" a", " A", "ab"].map((text) => Buffer.from(text));
  const lines = [...bytes, ...merged].map((token, id) => `${token.toString("base64")} ${id}`);
  writeFileSync(ranks, lines.join("\n"));
  const special = join(scratch, "special.json");
  writeFileSync(special, JSON.stringify({ [eos]: tokens.length }));
  const byRanks = await engram("token-map", ranks, "--special", special, "--json");
  assert.equal(byRanks.stdout, (await engram("token-map", tokenizer, "--json")).stdout);
  assert.equal(
    JSON.parse((await engram("token-map", ranks, "--json")).stdout).vocab,
    tokens.length,
  );
  assert.equal((await engram("token-map", tokenizer, "--special", special)).status, 2);
});

test("a file that finds no room is code 1, and the reason is said", (t) => {
  if (process.platform === "win32") return t.skip("needs ulimit");
  const out = join(scratch, "full.i32");
  const words = ["token-map", tokenizer, "--out", out, "--json"];
  const { status, stdout } = spawnSync(
    "sh",
    ["-c", 'ulimit -f 0; exec "$@"', "sh", process.execPath, main, ...words],
    { encoding: "utf8" },
  );
  assert.equal(status, 1);
  const { error } = JSON.parse(stdout);
  assert.equal(error.code, "store_failed");
  assert.match(error.message, /writing .*full\.i32 failed: the file would be larger than/);
  assert.deepEqual(
    readdirSync(scratch).filter((name) => name.startsWith("full")),
    [],
  );
});
