/**
 * Documents -> token streams. Knows documents and a tokenizer's interface; not files.
 */
import { InvalidConfigError } from "../errors.ts";
import type { TokenStream } from "../inference/index.ts";

/** A text by itself: nothing is predicted over its border. */
export interface Document {
  readonly text: string;
}

/** What packing needs of a tokenizer. */
export interface DocumentEncoder {
  readonly vocabSize: number;
  readonly eosTokenId: number | undefined;
  /** What texts begin with; default the end-of-text token. */
  readonly bounds?: { readonly startIds: readonly number[] };
  encode(
    text: string,
    options: { signal?: AbortSignal | undefined },
  ): Int32Array | Promise<Int32Array>;
}

/** Packs documents into one stream, each after the token that texts begin with (see `TokenStream`). */
export async function packDocuments(
  documents: AsyncIterable<Document> | Iterable<Document>,
  tokenizer: DocumentEncoder,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<TokenStream> {
  const start = startTokenOf(tokenizer);
  const make = (n: number): Uint16Array | Uint32Array =>
    tokenizer.vocabSize <= 65536 ? new Uint16Array(n) : new Uint32Array(n);
  let tokens = make(1 << 16);
  let numTokens = 0;
  let numBytes = 0;
  const starts: number[] = [];
  for await (const { text } of documents) {
    const ids = await tokenizer.encode(text, { signal });
    if (numTokens + ids.length + 1 > tokens.length) {
      const grown = make(Math.max(2 * tokens.length, numTokens + ids.length + 1));
      grown.set(tokens);
      tokens = grown;
    }
    starts.push(numTokens);
    tokens[numTokens] = start;
    tokens.set(ids, numTokens + 1);
    numTokens += ids.length + 1;
    numBytes += utf8Length(text);
  }
  return { tokens: tokens.slice(0, numTokens), starts: Uint32Array.from(starts), numBytes };
}

/** The token that each document begins with. Throws `InvalidConfigError` if the tokenizer has none. */
export function startTokenOf({
  bounds,
  eosTokenId,
}: Pick<DocumentEncoder, "bounds" | "eosTokenId">): number {
  const start = bounds?.startIds.at(-1) ?? eosTokenId;
  if (start === undefined)
    throw new InvalidConfigError(
      "the tokenizer has no end-of-text token, which separates documents in training; " +
        "train one with `engram tokenizer train`, or add <|endoftext|> to its special tokens",
    );
  return start;
}

/** UTF-8 bytes of `text`, counted without encoding it; lone surrogates count as U+FFFD. */
export function utf8Length(text: string): number {
  let n = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    if (unit < 0x800) n += 1;
    else if (unit >= 0xd800 && unit < 0xdc00 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
      // A pair: two units, four bytes.
      n += 2;
      i++;
    } else n += 2;
  }
  return n;
}
