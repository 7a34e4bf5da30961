/**
 * The tokenizer for byte-level BPE vocabularies: pieces are cut by the vocabulary's own patterns,
 * merged once and remembered, so that a corpus costs one table look-up for most of its words.
 * Must give the ids that @huggingface/tokenizers gives; the tests compare them. Knows no file
 * format.
 */
import { BpeMerger, buildBpeModel } from "./bpe.ts";
import { spellBytes } from "./byte-alphabet.ts";
import { findEndOfDocument } from "./definition.ts";
import type { AddedToken, TokenizerDefinition, UnicodeForm } from "./definition.ts";
import { PieceMemo } from "./piece-memo.ts";
import { buildSplitter, escapeForRegex } from "./pretokenize.ts";
import type { Splitter } from "./pretokenize.ts";
import { TokenBytes } from "./token-bytes.ts";
import type { StreamDecoder, Tokenizer } from "./tokenizer.ts";

export interface CreateTokenizerOptions {
  /** Text of the end-of-document token. Default: the first well-known name in the vocabulary. */
  readonly eosToken?: string;
}

/** Throws FormatError if the definition contradicts itself. */
export function createTokenizer(
  definition: TokenizerDefinition,
  { eosToken }: CreateTokenizerOptions = {},
): Tokenizer {
  return new ByteLevelTokenizer(definition, eosToken);
}

class ByteLevelTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly specialTokens: ReadonlyMap<string, number>;
  readonly eosTokenId: number | undefined;

  readonly #tokens: readonly string[];
  readonly #bytes: TokenBytes;
  readonly #split: Splitter;
  readonly #unicodeForm: UnicodeForm | undefined;
  readonly #merger: BpeMerger;
  /** Tokens that are taken whole when they are a piece; undefined where merges decide alone. */
  readonly #wholePieces: ReadonlyMap<string, number> | undefined;
  readonly #memo = new PieceMemo();
  readonly #encoder = new TextEncoder();
  readonly #always: AddedTokenFinder | undefined;
  readonly #withSpecial: AddedTokenFinder | undefined;

  #utf8 = new Uint8Array(1 << 10);
  #out = new Int32Array(1 << 12);
  #outLength = 0;

  constructor(definition: TokenizerDefinition, eosToken: string | undefined) {
    const { tokens, addedTokens } = definition;
    this.#tokens = tokens;
    this.vocabSize = tokens.length;
    const special = addedTokens.filter((added) => added.special);
    this.specialTokens = new Map(special.map(({ text, id }) => [text, id]));
    this.eosTokenId = findEndOfDocument(this.specialTokens, eosToken);
    this.#bytes = new TokenBytes(tokens, new Set(special.map(({ id }) => id)));
    this.#split = buildSplitter(definition.splits);
    this.#unicodeForm = definition.unicodeForm;
    this.#merger = new BpeMerger(buildBpeModel(definition));
    if (definition.ignoreMerges === true) {
      const added = new Set(addedTokens.map(({ id }) => id));
      this.#wholePieces = new Map(
        tokens.flatMap((token, id) => (added.has(id) || token === "" ? [] : [[token, id]])),
      );
    }
    this.#always = buildFinder(addedTokens.filter((added) => !added.special));
    this.#withSpecial = buildFinder(addedTokens);
  }

  encode(text: string, { allowSpecial = false }: { allowSpecial?: boolean } = {}): Int32Array {
    this.#outLength = 0;
    const finder = allowSpecial ? this.#withSpecial : this.#always;
    if (finder === undefined) {
      this.#encodePlain(text);
    } else {
      let at = 0;
      finder.pattern.lastIndex = 0;
      for (let match = finder.pattern.exec(text); match; match = finder.pattern.exec(text)) {
        this.#encodePlain(text.slice(at, match.index));
        this.#append(finder.idOf.get(match[0]) ?? -1);
        at = match.index + match[0].length;
      }
      this.#encodePlain(text.slice(at));
    }
    return this.#out.slice(0, this.#outLength);
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

  #encodePlain(text: string): void {
    if (text.length === 0) return;
    this.#split(
      this.#unicodeForm === undefined ? text : text.normalize(this.#unicodeForm),
      this.#encodePiece,
    );
  }

  /** A field, so that the splitter gets the same function every time. */
  readonly #encodePiece = (piece: string): void => {
    const known = this.#memo.get(piece);
    if (known >= 0) {
      this.#append(known);
      return;
    }
    if (known !== PieceMemo.ABSENT) {
      this.#appendAll(this.#memo.list(known));
      return;
    }
    const ids = this.#mergePiece(piece);
    this.#memo.set(piece, ids);
    this.#appendAll(ids);
  };

  #mergePiece(piece: string): Int32Array {
    // UTF-8 takes at most three bytes for a UTF-16 unit.
    if (this.#utf8.length < piece.length * 3) this.#utf8 = new Uint8Array(piece.length * 6);
    const length = this.#encoder.encodeInto(piece, this.#utf8).written;
    if (this.#wholePieces !== undefined) {
      const whole = this.#wholePieces.get(spellBytes(this.#utf8.subarray(0, length)));
      if (whole !== undefined) return Int32Array.of(whole);
    }
    return this.#merger.merge(this.#utf8, length);
  }

  #append(id: number): void {
    if (this.#outLength === this.#out.length) this.#growOut(1);
    this.#out[this.#outLength++] = id;
  }

  #appendAll(ids: Int32Array): void {
    if (this.#outLength + ids.length > this.#out.length) this.#growOut(ids.length);
    this.#out.set(ids, this.#outLength);
    this.#outLength += ids.length;
  }

  #growOut(room: number): void {
    const grown = new Int32Array((this.#outLength + room) * 2);
    grown.set(this.#out);
    this.#out = grown;
  }
}

interface AddedTokenFinder {
  /** Finds added tokens from the left, the longest at each place. */
  readonly pattern: RegExp;
  readonly idOf: ReadonlyMap<string, number>;
}

function buildFinder(addedTokens: readonly AddedToken[]): AddedTokenFinder | undefined {
  if (addedTokens.length === 0) return undefined;
  const longestFirst = addedTokens.map(({ text }) => text).toSorted((a, b) => b.length - a.length);
  const pattern = new RegExp(longestFirst.map(escapeForRegex).join("|"), "g");
  return { pattern, idOf: new Map(addedTokens.map(({ text, id }) => [text, id])) };
}
