/**
 * A byte-level BPE vocabulary as plain data. Trainers and file parsers make it, tokenizers are built from
 * it. Knows no file format.
 */

export interface AddedToken {
  readonly id: number;
  readonly text: string;
  /** Special tokens are matched in text only on request; the others always. */
  readonly special: boolean;
  /** Searched in the text's normal form, after the others. Default false: in the text as written. */
  readonly normalized?: boolean;
  /** Takes the white space before it, or after it. Default false. */
  readonly lstrip?: boolean;
  readonly rstrip?: boolean;
  /** Not matched inside a word. Default false. */
  readonly singleWord?: boolean;
}

export type UnicodeForm = "NFC" | "NFD" | "NFKC" | "NFKD";

export interface TokenizerDefinition {
  /**
   * Tokens by id, spelled in the byte alphabet; added tokens as plain text. "" marks an unused id: it is
   * never produced and decodes to nothing.
   */
  readonly tokens: readonly string[];
  /**
   * Pairs of ids (left, right, left, right, ...), first merged first. Or "by-id" as in tiktoken:
   * any two neighbours whose concatenation is a token may merge, the lowest resulting id first.
   */
  readonly merges: Int32Array | "by-id";
  /**
   * Patterns in the regex dialect of tokenizer.json (Oniguruma), applied one after the other: every
   * match, and every stretch between matches, is a piece. No merge crosses a piece. Undefined where
   * they are not known: such a vocabulary can decode, but not encode.
   */
  readonly splits: readonly string[] | undefined;
  readonly addedTokens: readonly AddedToken[];
  /** A piece that is itself a token is taken whole, before any merge. Default false. */
  readonly ignoreMerges?: boolean;
  /** Applied to the text before it is split. Default none. */
  readonly unicodeForm?: UnicodeForm;
}

/**
 * Names under which known vocabularies keep their end-of-document token, most specific first.
 * `tokenizer.json` itself does not say which token it is.
 */
const END_OF_DOCUMENT_NAMES: readonly string[] = [
  "<|endoftext|>",
  "<｜end▁of▁sentence｜>",
  "<|end_of_text|>",
  "</s>",
  "<eos>",
  "<|im_end|>",
];

/** The end-of-document token's id: `name` if given, else the first known name there is. */
export function findEndOfDocument(
  specialTokens: ReadonlyMap<string, number>,
  name?: string,
): number | undefined {
  if (name !== undefined) return specialTokens.get(name);
  for (const known of END_OF_DOCUMENT_NAMES) {
    const id = specialTokens.get(known);
    if (id !== undefined) return id;
  }
  return undefined;
}
