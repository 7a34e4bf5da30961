/**
 * Text <-> token ids. Knows nothing of models or memory.
 */

/**
 * What ids stand for; immutable. Tables alone: nothing here takes longer than its result is long. Throws
 * `RequestError` for ids outside the vocabulary.
 */
export interface Vocabulary {
  /** Ids are 0 .. vocabSize-1, special tokens included. */
  readonly vocabSize: number;
  /** Special tokens by their text. */
  readonly specialTokens: ReadonlyMap<string, number>;
  /** The end-of-document token, if the vocabulary has one. */
  readonly eosTokenId: number | undefined;
  /**
   * The most UTF-16 units of a text that one token stands for: a text is at least its length divided by this tokens
   * long. Undefined where texts are normalised first, which may shorten them.
   */
  readonly maxUnitsPerToken?: number | undefined;
  /** Text of `ids`; bytes that are not UTF-8 become U+FFFD. */
  decode(ids: ArrayLike<number>, options?: { skipSpecial?: boolean }): string;
  /** The token as its vocabulary spells it (byte-level alphabet form, not decoded). */
  rawToken(id: number): string;
  /** The bytes the token stands for. */
  tokenBytes(id: number): Uint8Array;
  /** A decoder that holds back bytes until they are whole characters. */
  stream(options?: { skipSpecial?: boolean }): StreamDecoder;
}

export interface EncodeOptions {
  /** Special tokens that are written in the text become what they name. Default: they are plain text. */
  readonly allowSpecial?: boolean;
  /**
   * Ascending offsets, in UTF-16 units, of characters that no special token may have a part in, whatever they spell:
   * those that somebody else wrote into the text. Default none.
   */
  readonly literals?: ArrayLike<number>;
  /** Gives up waiting where the work is done beside this thread. */
  readonly signal?: AbortSignal | undefined;
}

/** Text to ids and back. Encoding applies the patterns of whoever made the vocabulary. */
export interface Tokenizer extends Vocabulary {
  /** Ids of `text`. Throws `RequestError` where the vocabulary's patterns do not come to an end. */
  encode(text: string, options?: EncodeOptions): Int32Array | Promise<Int32Array>;
  /** Ends the threads it keeps, if any; it then encodes no more. */
  close?(): void;
}

/** A tokenizer that encodes on the thread of whoever calls, however long that takes. */
export interface DirectTokenizer extends Tokenizer {
  encode(text: string, options?: EncodeOptions): Int32Array;
}

/** Ids to text as they come; one for each text. */
export interface StreamDecoder {
  /** Text that became certain with this token: possibly "", never half a character. */
  push(id: number): string;
  /** What is left; incomplete bytes become U+FFFD. */
  end(): string;
}
