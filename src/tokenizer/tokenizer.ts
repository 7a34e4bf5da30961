/**
 * Text <-> token ids. Knows nothing of models or memory.
 */

/** Text to ids and back; immutable. Throws `RequestError` for ids outside the vocabulary. */
export interface Tokenizer {
  /** Ids are 0 .. vocabSize-1, special tokens included. */
  readonly vocabSize: number;
  /** Special tokens by their text. */
  readonly specialTokens: ReadonlyMap<string, number>;
  /** The end-of-document token, if the vocabulary has one. */
  readonly eosTokenId: number | undefined;
  /** Ids of `text`. Special tokens written in the text are plain text unless `allowSpecial`. */
  encode(text: string, options?: { allowSpecial?: boolean }): Int32Array;
  /** Text of `ids`; bytes that are not UTF-8 become U+FFFD. */
  decode(ids: ArrayLike<number>, options?: { skipSpecial?: boolean }): string;
  /** The token as its vocabulary spells it (byte-level alphabet form, not decoded). */
  rawToken(id: number): string;
  /** The bytes the token stands for. */
  tokenBytes(id: number): Uint8Array;
  /** A decoder that holds back bytes until they are whole characters. */
  stream(options?: { skipSpecial?: boolean }): StreamDecoder;
}

/** Ids to text as they come; one for each text. */
export interface StreamDecoder {
  /** Text that became certain with this token: possibly "", never half a character. */
  push(id: number): string;
  /** What is left; incomplete bytes become U+FFFD. */
  end(): string;
}
