/**
 * Splits text that comes in pieces of any size into JSON documents. Holds one document at a time. Knows lines and
 * brackets; does not parse, and does not know what a document should contain.
 */
import { FormatError } from "../errors.ts";

/** The longest string of V8 (2^29 - 24 characters), on every 64-bit platform. */
export const MAX_DOCUMENT_CHARACTERS = 0x1fffffe8;

/** Pieces of one document, which are joined when it is complete. */
class Gathered {
  readonly #what: string;
  #parts: string[] = [];
  #length = 0;

  /** `what` is what a message calls a document: "a line". */
  constructor(what: string) {
    this.#what = what;
  }

  add(part: string): void {
    this.#length += part.length;
    if (this.#length > MAX_DOCUMENT_CHARACTERS)
      throw new FormatError(
        `${this.#what} has more than ${MAX_DOCUMENT_CHARACTERS} characters; cut it into several documents`,
      );
    this.#parts.push(part);
  }

  take(): string {
    const text = this.#parts.join("");
    this.#parts = [];
    this.#length = 0;
    return text;
  }
}

/** The whole text. */
export async function joined(chunks: AsyncIterable<string>): Promise<string> {
  const text = new Gathered("the text");
  for await (const chunk of chunks) text.add(chunk);
  return text.take();
}

/** Lines that end in "\n" and nothing else: JSON allows U+2028 and its like inside a string. */
export async function* splitLines(chunks: AsyncIterable<string>): AsyncGenerator<string> {
  const line = new Gathered("a line");
  for await (const chunk of chunks) {
    let at = 0;
    for (let end = chunk.indexOf("\n"); end >= 0; end = chunk.indexOf("\n", at)) {
      line.add(chunk.slice(at, end));
      yield line.take();
      at = end + 1;
    }
    line.add(chunk.slice(at));
  }
  const last = line.take();
  if (last !== "") yield last;
}

const [QUOTE, BACKSLASH, COMMA, END] = ['"', "\\", ",", "]"].map((c) => c.charCodeAt(0));
const OPENING: ReadonlySet<number> = new Set(["[", "{"].map((c) => c.charCodeAt(0)));
const CLOSING: ReadonlySet<number> = new Set(["]", "}"].map((c) => c.charCodeAt(0)));

/** The elements of one JSON array, each as text. The text is not checked to be JSON. */
export async function* splitArray(chunks: AsyncIterable<string>): AsyncGenerator<string> {
  const element = new Gathered("an element");
  let depth = 0;
  let count = 0;
  let isString = false;
  let isEscaped = false;
  let hasEnded = false;
  const take = (): string => {
    const text = element.take();
    if (text.trim() === "")
      throw new FormatError(
        `element ${count + 1} of the array is missing: two commas, or one too many`,
      );
    count++;
    return text;
  };
  for await (const chunk of chunks) {
    let from = 0;
    for (let i = 0; i < chunk.length; i++) {
      const c = chunk.charCodeAt(i);
      if (isString) {
        if (isEscaped) isEscaped = false;
        else if (c === BACKSLASH) isEscaped = true;
        else if (c === QUOTE) isString = false;
        continue;
      }
      if (depth === 1 && (c === COMMA || CLOSING.has(c))) {
        element.add(chunk.slice(from, i));
        from = i + 1;
        if (c === COMMA) yield take();
        else if (c !== END) throw new FormatError(`element ${count + 1} of the array ends in "}"`);
        else {
          const rest = element.take();
          // Only an empty array has nothing before its end.
          if (rest.trim() !== "" || count > 0) {
            element.add(rest);
            yield take();
          }
          depth = 0;
          hasEnded = true;
        }
      } else if (c === QUOTE) isString = true;
      else if (CLOSING.has(c)) depth--;
      else if (OPENING.has(c) && ++depth === 1) {
        if (hasEnded) throw new FormatError("expected one array, a second one begins after it");
        from = i + 1;
      }
    }
    const rest = chunk.slice(from);
    if (depth > 0) element.add(rest);
    else if (hasEnded && rest.trim() !== "")
      throw new FormatError(
        `expected nothing after the array, got ${JSON.stringify(rest.trim().slice(0, 20))}`,
      );
  }
  if (!hasEnded)
    throw new FormatError(
      `the array ends in element ${count + 1}, without "]": the file was cut off`,
    );
}
