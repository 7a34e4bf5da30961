/**
 * Text files -> documents. `.jsonl` holds one document a line under "text"; any other file is one
 * document. Refuses what is not text: a model trained on it would be noise nobody notices.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { createInterface } from "node:readline";
import { FormatError, InvalidConfigError } from "../../errors.ts";
import type { Document } from "../corpus.ts";

export interface SourceDocument extends Document {
  /** Decides whether the document is held out; the line's "id", or its place in the file. */
  readonly id: string;
}

/** Documents of a file in order, without building the whole file in memory if it is `.jsonl`. */
export async function* readDocuments(file: string): AsyncGenerator<SourceDocument> {
  const found = await stat(file);
  if (found.isDirectory())
    throw new InvalidConfigError(`${file} is a directory; name the text files in it one by one`);
  // A pipe has no size; whether there is text in it shows when it is read.
  if (found.isFile() && found.size === 0)
    throw new FormatError(`${file} is empty; expected text to read`);
  if (file.endsWith(".jsonl")) yield* readJsonLines(file);
  else yield { id: file, text: await readText(file) };
}

async function readText(file: string): Promise<string> {
  const bytes = await readFile(file);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch (cause) {
    throw new FormatError(
      `${file} is not UTF-8 text; convert it (iconv -t utf-8), or give another file`,
      { cause },
    );
  }
  const nul = text.indexOf("\0");
  if (nul >= 0)
    throw new FormatError(`${file} looks binary: NUL at character ${nul}; expected a text file`);
  if (text.trim() === "") throw new FormatError(`${file} holds only white space; expected text`);
  return text;
}

async function* readJsonLines(file: string): AsyncGenerator<SourceDocument> {
  let line = 0;
  let found = 0;
  for await (const raw of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
    line++;
    if (raw.trim() === "") continue;
    let parsed: unknown;
    try {
      parsed = JSON.parse(raw);
    } catch (cause) {
      throw new FormatError(`${file}:${line}: expected one JSON object a line`, { cause });
    }
    const entry = new Map(Object.entries(parsed ?? {}));
    const text = entry.get("text");
    if (typeof text !== "string")
      throw new FormatError(`${file}:${line}: expected a string under "text", got ${typeof text}`);
    if (text === "") continue;
    found++;
    yield { id: String(entry.get("id") ?? `${file}:${line}`), text };
  }
  if (found === 0) throw new FormatError(`${file} holds no document with text in it`);
}

/** One document in twenty: md5 of its id, as a big-endian integer, is divisible by 20. */
export function isHeldOut(id: string): boolean {
  const digest = createHash("md5").update(id).digest("hex");
  return BigInt(`0x${digest}`) % 20n === 0n;
}

/** A text's last tenth, cut at a line's end so that neither side begins in mid-sentence. */
export function splitLastTenth(text: string): readonly [string, string] {
  const at = Math.floor(text.length * 0.9);
  const line = text.indexOf("\n", at);
  const cut = line < 0 || line === text.length - 1 ? at : line + 1;
  return [text.slice(0, cut), text.slice(cut)];
}

export type Part = "train" | "valid";

/**
 * The training or the validation part of the given files: plain text gives its first nine tenths and
 * its last one; documents of `.jsonl` files are held out by their id.
 */
export async function* readPart(
  files: readonly string[],
  part: Part,
): AsyncGenerator<SourceDocument> {
  let found = 0;
  for (const file of files) {
    for await (const document of readDocuments(file)) {
      if (file.endsWith(".jsonl")) {
        if (isHeldOut(document.id) !== (part === "valid")) continue;
        yield document;
      } else {
        const text = splitLastTenth(document.text)[part === "train" ? 0 : 1];
        if (text === "") continue;
        yield { id: document.id, text };
      }
      found++;
    }
  }
  if (found === 0)
    throw new InvalidConfigError(
      part === "valid"
        ? `no document of ${files.join(", ")} falls into the held-out twentieth; name a text with --valid`
        : `${files.join(", ")} leave nothing to train on`,
    );
}

/** All documents of the given files. */
export async function* readAll(files: readonly string[]): AsyncGenerator<SourceDocument> {
  for (const file of files) yield* readDocuments(file);
}
