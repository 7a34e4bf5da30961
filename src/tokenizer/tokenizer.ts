/**
 * Text <-> token ids. Knows nothing of models or memory.
 */

/** Where texts begin and end, as ids. */
export interface TextBounds {
  /** Before every text that is read from its beginning. */
  readonly startIds: readonly number[];
  /** Each of them ends a text. */
  readonly stopIds: readonly number[];
  /** What a text without any token is continued from, where nothing starts it anyway. */
  readonly bosTokenId: number | undefined;
}

/**
 * The vocabulary: ids to text; immutable. Only table look-ups, in time linear in the result. Throws `RequestError` for
 * ids outside the vocabulary.
 */
export interface Vocabulary {
  /** Ids are 0 .. vocabSize-1, special tokens included. */
  readonly vocabSize: number;
  /** Special tokens by their text. */
  readonly specialTokens: ReadonlyMap<string, number>;
  /** The end-of-document token, if the vocabulary has one. */
  readonly eosTokenId: number | undefined;
  /** Default: texts begin and end with the end-of-document token, as in training here. */
  readonly bounds: TextBounds;
  /**
   * The largest number of UTF-16 units that one token can encode. A text of n units has at least n divided by this
   * number of tokens. Undefined if texts are normalised first, which may shorten them.
   */
  readonly maxUnitsPerToken?: number | undefined;
  /** Text of `ids`; bytes that are not UTF-8 become U+FFFD. */
  decode(ids: ArrayLike<number>, options?: { skipSpecial?: boolean }): string;
  /** The token as its vocabulary spells it (byte-level alphabet form, not decoded). */
  rawToken(id: number): string;
  /** The bytes that the token decodes to. */
  tokenBytes(id: number): Uint8Array;
  /** A decoder that holds back bytes until they are whole characters. */
  stream(options?: StreamOptions): StreamDecoder;
}

export interface StreamOptions {
  readonly skipSpecial?: boolean;
  /** Ids that the text goes on from: some vocabularies leave out a space at the beginning of a text only. */
  readonly after?: ArrayLike<number>;
}

export interface EncodeOptions {
  /** Special tokens in the text become their ids. Default: they are plain text. */
  readonly allowSpecial?: boolean;
  /**
   * Ascending offsets, in UTF-16 units, of characters that are never part of a special token: those from untrusted
   * parts of the text. Default none.
   */
  readonly literals?: ArrayLike<number>;
  /** Stops waiting for work on another thread. */
  readonly signal?: AbortSignal | undefined;
}

/** Text to ids and back. Encoding runs the patterns of the vocabulary's file. */
export interface Tokenizer extends Vocabulary {
  /** Ids of `text`. Throws `RequestError` if the vocabulary's patterns take too long. */
  encode(text: string, options?: EncodeOptions): Int32Array | Promise<Int32Array>;
  /** Ends its threads, if any. It cannot encode afterwards. */
  close?(): void;
}

/** A tokenizer that encodes on the caller's thread, without a time limit. */
export interface DirectTokenizer extends Tokenizer {
  encode(text: string, options?: EncodeOptions): Int32Array;
}

/** Streaming decoder, one per text. */
export interface StreamDecoder {
  /** The text completed by this token: possibly "", never half a character. */
  push(id: number): string;
  /** The rest; incomplete bytes become U+FFFD. */
  end(): string;
}
