import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import test, { after, before } from "node:test";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { EngramError } from "../../errors.ts";
import { splitLastTenth } from "../held-out.ts";
import { checkTexts, readDocuments, readPart } from "./read-documents.ts";

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "engram-documents-"));
});
after(() => rm(directory, { recursive: true, force: true }));

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, content);
  return path;
}

async function textsIn(documents: AsyncIterable<{ text: string }>): Promise<string[]> {
  const texts: string[] = [];
  for await (const { text } of documents) texts.push(text);
  return texts;
}

const textsOf = (path: string): Promise<string[]> => textsIn(readDocuments(path));

async function refusal(path: string): Promise<string> {
  try {
    await textsOf(path);
  } catch (error) {
    assert.ok(error instanceof EngramError, String(error));
    assert.ok(error.message.includes(path), error.message);
    return error.message;
  }
  return assert.fail(`${path} was read`);
}

const texts = ["one\u2028two", "three\u2029\u0085", '"four"\\', "fünf 🙂"];
const lines = texts.map((text, id) => JSON.stringify({ id, text })).join("\n");
const array = JSON.stringify(texts.map((text) => ({ text })));

test("documents are found by content and by name, whatever the case, the mark and the compression", async () => {
  const mark = "\ufeff";
  for (const [name, content] of [
    ["a.jsonl", lines],
    ["b.JSONL", `${lines}\n`],
    ["c.ndjson", lines.replaceAll("\n", "\r\n")],
    ["d.json", lines],
    ["e.json", array],
    ["f.jsonl", JSON.stringify(JSON.parse(array), undefined, 2)],
    ["g.jsonl", mark + lines],
    ["h.json", `${mark}\n ${array}\n`],
    ["i", lines],
    ["j.data", array],
    ["k.jsonl.gz", gzipSync(lines)],
    ["l", gzipSync(mark + array)],
    // Two members behind each other are one text (RFC 1952).
    ["m.jsonl", Buffer.concat([gzipSync(`${lines.slice(0, 20)}`), gzipSync(lines.slice(20))])],
  ] as const)
    assert.deepEqual(await textsOf(await file(name, content)), texts, name);
});

test("any other text is one document, without its mark", async () => {
  for (const [name, content] of [
    ["play.txt", "[Enter ROMEO]\nHe speaks.\n"],
    ["code.txt", '{ "text": 1 }\n'],
    ["list.txt", '[1, "text"]'],
    ["short", "a"],
    ["versions", "version https://example.org\n"],
    ["gguf.txt", "GGUF is a file format\n"],
  ] as const) {
    assert.deepEqual(await textsOf(await file(name, content)), [content]);
    assert.deepEqual(await textsOf(await file(name, `\ufeff${content}`)), [content]);
    assert.deepEqual(await textsOf(await file(name, gzipSync(content))), [content]);
  }
});

const utf16 = Buffer.from("Once upon a time", "utf16le");

test("what is no text is named, with what to do", async () => {
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${"ab".repeat(32)}\nsize 12\n`;
  for (const [name, content, expected] of [
    ["pointer.jsonl", pointer, /is a git-LFS pointer.*git lfs pull/],
    ["pointer.gz", gzipSync(pointer), /is a git-LFS pointer/],
    ["twice.gz", gzipSync(gzipSync("text")), /is compressed with gzip, expected UTF-8 text/],
    ["cut.gz", gzipSync(lines).subarray(0, 60), /compressed with gzip, and damaged or cut off/],
    ["zstd", "\x28\xb5\x2f\xfd....", /is compressed with zstd.*unzstd/],
    ["marked", Buffer.concat([Buffer.of(0xff, 0xfe), utf16]), /is UTF-16 text.*iconv -f utf-16 /],
    ["little", utf16, /looks like UTF-16 text.*iconv -f utf-16le/],
    ["big", Buffer.from(utf16).swap16(), /looks like UTF-16 text.*iconv -f utf-16be/],
    ["latin", Buffer.from("na\xefve", "latin1"), /is not UTF-8 text \(byte 2\); convert it/],
    ["ends", Buffer.from("caf\xc3", "latin1"), /is not UTF-8 text/],
    ["binary", "some text, then \0", /looks binary: NUL at byte 16/],
    ["empty.txt", "", /is empty/],
    ["empty.gz", gzipSync(""), /holds only white space/],
    ["blank.jsonl", " \n\n", /holds only white space/],
  ] as const)
    assert.match(
      await refusal(await file(name, Buffer.from(content as string, "latin1"))),
      expected,
    );
});

test("a byte that is no UTF-8 is found behind many that are", async () => {
  const long = Buffer.concat([Buffer.from("ä".repeat(300_001)), Buffer.of(0xff, 0x41)]);
  assert.match(await refusal(await file("long.txt", long)), /byte 600002\)/);
});

test("JSON that is no document is refused with its line or its element", async () => {
  for (const [name, content, expected] of [
    ["1.jsonl", '{"text": "a"}\n{"text": "b"', /1\.jsonl:2: expected one JSON object a line/],
    ["2.jsonl", '{"text": "a"}\n["b"]', /2\.jsonl:2: .*string under "text", got an array/],
    ["3.jsonl", '{"text": "a"}\n{"txt": "b"}', /3\.jsonl:2: .*got an object without it \(txt\)/],
    ["4.jsonl", '{"text": null}', /4\.jsonl:1: .*got null there/],
    ["5.jsonl", '{"text": ""}', /holds no document with text in it/],
    ["6.json", '[{"text": "a"}, 5]', /element 2: .*got a number/],
    ["7.json", '[{"text": "a"},', /ends in element 2, without "\]": the file was cut off/],
    ["8.json", '[{"text": "a"},]', /element 2 of the array is missing/],
    ["9.json", '[{"text": "a"}] and more', /expected nothing after the array, got "and more"/],
    ["10.json", "[]", /holds no document with text in it/],
    ["11.json", '{\n "text": "a"\n}', /11\.json:1: expected one JSON object a line/],
  ] as const)
    assert.match(await refusal(await file(name, content)), expected);
});

test("what is held out depends on the texts, not on the file's name, its place, its order or its ids", async () => {
  const many = Array.from({ length: 400 }, (_, i) => ({ id: i % 7, text: `document ${i}` }));
  const write = (name: string, documents: readonly object[]): Promise<string> =>
    file(name, documents.map((document) => JSON.stringify(document)).join("\n"));
  const heldOut = async (path: string): Promise<string[]> =>
    (await textsIn(readPart([path], "valid"))).toSorted();
  const path = await write("many.jsonl", many);
  const expected = await heldOut(path);
  assert.ok(expected.length > 8 && expected.length < 40, `${expected.length} of 400`);
  for (const same of [
    relative(process.cwd(), path),
    join(directory, ".", "many.jsonl").replace("/many", "/./many"),
    await write("other.ndjson", many.toReversed()),
    await file("array.json", JSON.stringify(many.map(({ text }) => ({ text })))),
  ])
    assert.deepEqual(await heldOut(same), expected);
  const trained = await textsIn(readPart([path], "train"));
  assert.equal(trained.length + expected.length, 400);
  // By Python's hashlib: int.from_bytes(sha256(text).digest()[:4], "big") % 20 == 0.
  assert.deepEqual(
    expected.map((text) => Number(text.slice(9))),
    [10, 108, 119, 125, 136, 206, 209, 235, 246, 287, 295, 301, 39, 6, 77, 98],
  );
});

test("the last tenth of a text begins with a line, and never with half a character", () => {
  assert.deepEqual(splitLastTenth("123456789\nabcdefgh\nij"), ["123456789\nabcdefgh\n", "ij"]);
  const [first, last] = splitLastTenth("🙂".repeat(7));
  assert.ok(first.isWellFormed() && last.isWellFormed());
  assert.equal(first + last, "🙂".repeat(7));
});

/** What a child prints that reads its standard input as a file. */
const reader = `
  import { checkTexts, readDocuments } from ${JSON.stringify(import.meta.resolve("./read-documents.ts"))};
  const isReadOnce = process.argv[1] === "once";
  try {
    await checkTexts(["/dev/stdin"], { isReadOnce });
    let n = 0;
    for await (const { text } of readDocuments("/dev/stdin")) n += text.length;
    console.log(n);
  } catch (error) { console.log(error.message); }`;

test("a pipe is read where one reading is enough, and refused by name where it is not", async () => {
  const read = async (times: string, more = ""): Promise<string> => {
    const node = `${process.execPath} ${more} --input-type=module-typescript -e "$CODE" ${times}`;
    const { stdout } = await promisify(execFile)("sh", ["-c", `cat "$FILE" | ${node}`], {
      env: { ...process.env, CODE: reader, FILE: await file("piped", lines) },
    });
    return stdout.trim();
  };
  assert.equal(await read("once"), String(texts.join("").length));
  assert.match(await read("often"), /\/dev\/stdin is a pipe.*write it to a file first/);
});

test("files that are missing or no text are found before anything is read", async () => {
  const good = await file("good.txt", "text");
  await assert.rejects(checkTexts([good, join(directory, "none")], { isReadOnce: false }), {
    code: "ENOENT",
  });
  const bad = await file("bad.txt", Buffer.of(0xff, 0xfe, 0x41, 0));
  await assert.rejects(checkTexts([good, bad], { isReadOnce: true }), /UTF-16/);
  await assert.rejects(checkTexts([directory], { isReadOnce: false }), /is a directory/);
});

test("documents far larger together than the memory at hand are read one by one", async () => {
  const line = JSON.stringify({ text: "word ".repeat(2000) });
  const node = `${process.execPath} --max-old-space-size=32 --input-type=module-typescript -e "$CODE" once`;
  const { stdout } = await promisify(execFile)(
    "sh",
    ["-c", `yes "$LINE" | head -n 15000 | ${node}`],
    { env: { ...process.env, CODE: reader, LINE: line } },
  );
  assert.equal(stdout.trim(), String(15_000 * 10_000));
});
