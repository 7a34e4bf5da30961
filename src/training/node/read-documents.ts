/**
 * Text files -> documents, and which of them are held out. A file has one text, or JSON documents with a string under
 * "text": one on each line, or the elements of one array. Content and name tell which; `text-chunks.ts` handles
 * compression and encoding. Refuses files that are not text: training would accept the noise unnoticed.
 */
import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { FormatError, InvalidConfigError } from "../../errors.ts";
import type { Document } from "../corpus.ts";
import { splitLastTenth } from "../held-out.ts";
import { joined, splitArray, splitLines } from "../json-framing.ts";
import { readTextChunks } from "./text-chunks.ts";

/** How a file holds its documents. */
export type DocumentFormat = "text" | "json-lines" | "json-array";

/** A file that was opened far enough to know its format. */
interface OpenedFile {
  readonly format: DocumentFormat;
  readonly documents: AsyncGenerator<Document>;
  /** For callers that do not read the documents. */
  close(): Promise<unknown>;
}

/** Characters that are examined to detect the format. */
const HEAD_CHARACTERS = 1 << 16;

/** Documents of a file in order; of JSON documents one is in memory at a time. */
export async function* readDocuments(file: string): AsyncGenerator<Document> {
  yield* (await openDocuments(file)).documents;
}

async function openDocuments(file: string): Promise<OpenedFile> {
  const chunks = readTextChunks(file);
  let head = "";
  let isWhole = false;
  while (head.length < HEAD_CHARACTERS && !isWhole) {
    const next = await chunks.next();
    if (next.done) isWhole = true;
    else head += next.value;
  }
  if (isWhole && head.trim() === "")
    throw new FormatError(`${file} holds only white space; expected text`);
  async function* all(): AsyncGenerator<string> {
    yield head;
    yield* chunks;
  }
  const format = formatOf(file, head);
  const documents = withFile(file, readers[format](file, all()));
  return { format, documents, close: () => chunks.return(undefined) };
}

/** By content if that is certain, otherwise by name. */
function formatOf(file: string, head: string): DocumentFormat {
  const begin = head.trimStart();
  const isJson = /\.(?:jsonl|ndjson|json)(?:\.gz)?$/i.test(file) || looksLikeDocuments(begin);
  if (!isJson) return "text";
  return begin.startsWith("[") ? "json-array" : "json-lines";
}

/** Begins with an object that has a string under "text", alone on its line or first in an array. */
function looksLikeDocuments(begin: string): boolean {
  if (/^\[\s*\{\s*"/.test(begin)) return /"text"\s*:\s*"/.test(begin);
  if (!/^\{\s*"/.test(begin)) return false;
  const end = begin.indexOf("\n");
  // A line that is longer than the examined part cannot be parsed yet.
  if (end < 0 && begin.length >= HEAD_CHARACTERS) return /"text"\s*:\s*"/.test(begin);
  try {
    return typeof textIn(JSON.parse(end < 0 ? begin : begin.slice(0, end))) === "string";
  } catch {
    return false;
  }
}

function textIn(value: unknown): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, "text")
    ? (value as { text: unknown }).text
    : undefined;
}

const readers: Readonly<
  Record<DocumentFormat, (file: string, chunks: AsyncIterable<string>) => AsyncGenerator<Document>>
> = {
  async *text(_file, chunks) {
    yield { text: await joined(chunks) };
  },
  "json-lines": (file, chunks) =>
    parsed(splitLines(chunks), (line) => `${file}:${line}: expected one JSON object a line`),
  "json-array": (file, chunks) =>
    parsed(splitArray(chunks), (n) => `${file}: element ${n}: expected a JSON object`),
};

async function* parsed(
  texts: AsyncIterable<string>,
  expected: (number: number) => string,
): AsyncGenerator<Document> {
  let number = 0;
  for await (const json of texts) {
    number++;
    if (json.trim() === "") continue;
    let value: unknown;
    try {
      value = JSON.parse(json);
    } catch (cause) {
      throw new FormatError(`${expected(number)}; ${(cause as Error).message}`, { cause });
    }
    const text = textIn(value);
    if (typeof text !== "string")
      throw new FormatError(`${expected(number)} with a string under "text", got ${kindOf(value)}`);
    if (text !== "") yield { text };
  }
}

function kindOf(value: unknown): string {
  if (typeof value !== "object") return `a ${typeof value}`;
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  const text = textIn(value);
  const keys = Object.keys(value).slice(0, 8);
  return text === undefined
    ? `an object without it (${keys.join(", ") || "empty"})`
    : `${text === null ? "null" : typeof text} there`;
}

/** Adds the file's name to errors about its framing, and refuses a file without documents. */
async function* withFile(
  file: string,
  documents: AsyncGenerator<Document>,
): AsyncGenerator<Document> {
  let found = 0;
  try {
    for await (const document of documents) {
      found++;
      yield document;
    }
  } catch (cause) {
    if (!(cause instanceof FormatError) || cause.message.startsWith(file)) throw cause;
    throw new FormatError(`${file}: ${cause.message}`, { cause });
  }
  if (found === 0) throw new FormatError(`${file} holds no document with text in it`);
}

/** Part of a checkpoint's identity: it changes when other documents are held out. */
export const HOLD_OUT_RULE = "a text's last tenth; JSON documents whose SHA-256 is 0 mod 20";

/**
 * One document in twenty: the first four bytes of its text's SHA-256, as a big-endian integer, are divisible by 20.
 * So it depends neither on the file's path nor on the order of documents, and the same text is never in both parts.
 */
export function isHeldOut(text: string): boolean {
  return createHash("sha256").update(text).digest().readUInt32BE(0) % 20 === 0;
}

export type Part = "train" | "valid";

/**
 * The training or the validation part of the given files: plain text gives its first nine tenths and
 * its last one; JSON documents are held out one by one (`isHeldOut`).
 */
export async function* readPart(files: readonly string[], part: Part): AsyncGenerator<Document> {
  let found = 0;
  for (const file of files) {
    const { format, documents } = await openDocuments(file);
    for await (const document of documents) {
      if (format === "text") {
        const text = splitLastTenth(document.text)[part === "train" ? 0 : 1];
        if (text === "") continue;
        yield { text };
      } else {
        if (isHeldOut(document.text) !== (part === "valid")) continue;
        yield document;
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
export async function* readAll(files: readonly string[]): AsyncGenerator<Document> {
  for (const file of files) yield* readDocuments(file);
}

/**
 * Opens each file far enough to find the errors that reading would find at once: the file is missing, empty or not
 * text. For checks before long work. `isReadOnce`: pipes are allowed; otherwise they are refused, because a pipe can
 * be read only once.
 */
export async function checkTexts(
  files: readonly string[],
  { isReadOnce }: { isReadOnce: boolean },
): Promise<void> {
  for (const file of files) {
    const found = await stat(file);
    if (found.isFile() || found.isDirectory()) await (await openDocuments(file)).close();
    else if (!isReadOnce)
      throw new InvalidConfigError(
        `${file} is a pipe, which can be read only once, and this command reads it several times; ` +
          "write it to a file first, and give that file",
      );
  }
}
