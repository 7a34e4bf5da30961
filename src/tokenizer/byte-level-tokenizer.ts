/**
 * The tokenizer for byte-level BPE vocabularies. Splits text by the vocabulary's own patterns, merges each
 * piece once and caches the ids, so most words cost one table look-up. Must give the same ids as
 * @huggingface/tokenizers; the tests compare them. Knows no file format.
 */
import { InvalidConfigError } from "../errors.ts";
import { AddedTokens } from "./added-tokens.ts";
import { findEndOfDocument } from "./definition.ts";
import type { TokenizerDefinition } from "./definition.ts";
import { IntList } from "./int-list.ts";
import { PieceEncoder } from "./piece-encoder.ts";
import { buildSplitter } from "./pretokenize.ts";
import type { Splitter } from "./pretokenize.ts";
import { TokenBytes } from "./token-bytes.ts";
import { boundsOf } from "./text-bounds.ts";
import type { DirectTokenizer, EncodeOptions, StreamDecoder, TextBounds } from "./tokenizer.ts";

export interface CreateTokenizerOptions {
  /** Text of the end-of-document token. Default: the first well-known name in the vocabulary. */
  readonly eosToken?: string | undefined;
  /** Where texts begin and end. Default: all at the end-of-document token. */
  readonly bounds?: Partial<TextBounds> | undefined;
}

export interface ReadOptions extends CreateTokenizerOptions {
  /** The id of each token by its text, where whoever read them has such a table. */
  readonly vocab?: ReadonlyMap<string, number>;
}

/** Throws FormatError if the definition contradicts itself. */
export async function createTokenizer(
  definition: TokenizerDefinition,
  options: ReadOptions = {},
): Promise<DirectTokenizer> {
  const { splits } = definition;
  const split = splits === undefined ? undefined : await buildSplitter(splits);
  return new ByteLevelTokenizer(definition, { ...options, split });
}

class ByteLevelTokenizer implements DirectTokenizer {
  readonly vocabSize: number;
  readonly specialTokens: ReadonlyMap<string, number>;
  readonly eosTokenId: number | undefined;
  readonly bounds: TextBounds;
  readonly maxUnitsPerToken?: number;

  readonly #tokens: readonly string[];
  readonly #bytes: TokenBytes;
  readonly #split: Splitter;
  readonly #encodePiece: (piece: string) => void;
  readonly #addedTokens: AddedTokens;
  readonly #ids = new IntList(1 << 12);

  constructor(
    definition: TokenizerDefinition,
    { eosToken, bounds, vocab, split }: ReadOptions & { split: Splitter | undefined },
  ) {
    const { tokens, addedTokens } = definition;
    this.#tokens = tokens;
    this.vocabSize = tokens.length;
    const special = addedTokens.filter((added) => added.special);
    this.specialTokens = new Map(special.map(({ text, id }) => [text, id]));
    this.eosTokenId = findEndOfDocument(this.specialTokens, eosToken);
    this.bounds = boundsOf(this.eosTokenId, bounds);
    this.#bytes = new TokenBytes(tokens, new Set(special.map(({ id }) => id)));
    const { unicodeForm } = definition;
    const takesSpace = addedTokens.some(({ lstrip, rstrip }) => lstrip === true || rstrip === true);
    this.#addedTokens = new AddedTokens(
      addedTokens,
      unicodeForm && ((text) => text.normalize(unicodeForm)),
    );
    if (split === undefined) {
      this.#split = refuse;
      this.#encodePiece = refuse;
    } else {
      const encoder = new PieceEncoder(definition, vocab);
      // A UTF-16 unit of text is at least one byte of UTF-8, so a token of n bytes stands for at most n of them.
      if (unicodeForm === undefined && !takesSpace && encoder.isComplete)
        this.maxUnitsPerToken = this.#bytes.longest;
      this.#split = split;
      this.#encodePiece = (piece) => encoder.encode(piece, this.#ids);
    }
  }

  encode(text: string, options: EncodeOptions = {}): Int32Array {
    this.#ids.clear();
    this.#addedTokens.visit(text, options, {
      token: (id) => this.#ids.push(id),
      plain: (part) => this.#split(part, this.#encodePiece),
    });
    return this.#ids.toArray();
  }

  decode(ids: ArrayLike<number>, options: { skipSpecial?: boolean } = {}): string {
    return this.#bytes.decode(ids, options);
  }

  rawToken(id: number): string {
    this.#bytes.check(id);
    return this.#tokens[id] ?? "";
  }

  tokenBytes(id: number): Uint8Array {
    return this.#bytes.of(id);
  }

  stream(options: { skipSpecial?: boolean } = {}): StreamDecoder {
    return this.#bytes.stream(options);
  }
}

function refuse(): never {
  throw new InvalidConfigError(
    "This vocabulary came without the patterns that cut text into pieces, so it can decode but not " +
      "encode; give them as `splits`.",
  );
}
