/**
 * A Tokenizer made of @huggingface/tokenizers, for vocabularies that are not plain byte-level BPE
 * (WordPiece, Unigram, byte-fallback BPE, unusual normalizers). As correct and as slow as that library,
 * except that added tokens are found as in Rust (`added-tokens.ts`). Known difference from Rust: in some
 * parts white space is JavaScript's (no U+0085, but U+FEFF). Knows only the checked contents of a
 * tokenizer.json.
 */
import { FormatError, RequestError } from "../errors.ts";
import { AddedTokens } from "./added-tokens.ts";
import type { WriteToken } from "./byte-alphabet.ts";
import type { CreateTokenizerOptions } from "./byte-level-tokenizer.ts";
import { type AddedToken, findEndOfDocument } from "./definition.ts";
import { loadLibrary } from "./library.ts";
import type { LibraryModule, LibraryTokenizer } from "./library.ts";
import { TokenBytes } from "./token-bytes.ts";
import { asObject } from "./tokenizer-file.ts";
import type { Json, TokenizerFile } from "./tokenizer-file.ts";
import { boundsOf } from "./text-bounds.ts";
import type {
  DirectTokenizer,
  EncodeOptions,
  StreamDecoder,
  StreamOptions,
  TextBounds,
  Vocabulary,
} from "./tokenizer.ts";

const ENCODER = new TextEncoder();

/** The vocabulary of such a file. Runs none of the file's patterns. */
export async function createLibraryBackedVocabulary(
  file: TokenizerFile,
  options: CreateTokenizerOptions = {},
): Promise<Vocabulary> {
  return new LibraryBackedVocabulary(file, { ...options, library: await loadLibrary() });
}

/** Runs the file's patterns: on its added tokens here, on each text in `encode`. */
export async function createLibraryBackedTokenizer(
  file: TokenizerFile,
  options: CreateTokenizerOptions = {},
): Promise<DirectTokenizer> {
  return new LibraryBackedTokenizer(file, { ...options, library: await loadLibrary() });
}

/** The library treats every `Split` as "isolated"; other behaviours would give wrong ids without an error. */
function refuseMergingSplits(step: Json | undefined): void {
  const behavior = step?.["type"] === "Split" ? String(step["behavior"]).toLowerCase() : "";
  if (/^(mergedwithprevious|mergedwithnext|contiguous)$/.test(behavior)) {
    throw new FormatError(
      `Expected a tokenizer.json whose splits are Isolated or Removed, got ${behavior}, which is not ` +
        "supported.",
    );
  }
  const steps = step?.["pretokenizers"];
  if (Array.isArray(steps)) for (const inner of steps) refuseMergingSplits(asObject(inner));
}

/** A pattern would run at each decoded token, and may never end. Released decoders replace plain texts only. */
function refuseDecodingPatterns(step: Json | undefined): void {
  if (asObject(step?.["pattern"])?.["Regex"] !== undefined) {
    throw new FormatError(
      "Expected a tokenizer.json whose decoder replaces texts, got one that replaces what a regular " +
        "expression finds, which is not supported.",
    );
  }
  const steps = step?.["decoders"];
  if (Array.isArray(steps)) for (const inner of steps) refuseDecodingPatterns(asObject(inner));
}

/** Of what a text goes on from: enough for it not to begin there, and for a character's first bytes. */
const idsBefore = 8;

interface LibraryOptions extends CreateTokenizerOptions {
  readonly library: LibraryModule;
}

class LibraryBackedVocabulary implements Vocabulary {
  readonly vocabSize: number;
  readonly specialTokens: ReadonlyMap<string, number>;
  readonly eosTokenId: number | undefined;
  readonly bounds: TextBounds;

  readonly #tokens: readonly string[];
  readonly #bytes: TokenBytes;
  readonly #joinsBytes: boolean;
  readonly #decoder: LibraryTokenizer;

  constructor(file: TokenizerFile, { eosToken, bounds, library }: LibraryOptions) {
    refuseMergingSplits(file.preTokenizer);
    refuseDecodingPatterns(file.decoder);
    const special = file.addedTokens.filter((added) => added.special);
    this.#tokens = file.tokens;
    this.vocabSize = file.tokens.length;
    this.specialTokens = new Map(special.map(({ text, id }) => [text, id]));
    this.eosTokenId = findEndOfDocument(this.specialTokens, eosToken);
    this.bounds = boundsOf(this.eosTokenId, bounds);
    this.#joinsBytes = file.decoder?.["type"] === "ByteLevel";
    const specialIds = new Set(special.map(({ id }) => id));
    this.#bytes = this.#joinsBytes
      ? new TokenBytes(file.tokens, specialIds)
      : new TokenBytes(file.tokens, specialIds, writePiece);
    const withoutPatterns = { ...file.json, normalizer: null, pre_tokenizer: null };
    this.#decoder = build(library, { ...file, json: withoutPatterns }, file.addedTokens);
  }

  decode(ids: ArrayLike<number>, { skipSpecial = false }: { skipSpecial?: boolean } = {}): string {
    if (this.#joinsBytes) return this.#bytes.decode(ids, { skipSpecial });
    for (let i = 0; i < ids.length; i++) this.#bytes.check(ids[i]!);
    // The library decodes an id without a token as the unknown token.
    const known = Array.from(ids).filter((id) => this.#tokens[id] !== "");
    if (known.length === 0) return "";
    return this.#decoder.decode(known, {
      skip_special_tokens: skipSpecial,
      clean_up_tokenization_spaces: false,
    });
  }

  rawToken(id: number): string {
    this.#bytes.check(id);
    return this.#tokens[id] ?? "";
  }

  tokenBytes(id: number): Uint8Array {
    return this.#bytes.of(id);
  }

  stream({ after = [], ...options }: StreamOptions = {}): StreamDecoder {
    if (this.#joinsBytes) return this.#bytes.stream(options);
    const ids = Array.from(after).slice(-idsBefore);
    let given = this.decode(ids, options).replace(/\ufffd+$/, "").length;
    const rest = (isLast: boolean): string => {
      const text = this.decode(ids, options);
      // U+FFFD at the end may be the start of an incomplete character.
      const certain = isLast ? text : text.replace(/\ufffd+$/, "");
      const fresh = certain.slice(given);
      given = Math.max(given, certain.length);
      return fresh;
    };
    return {
      push: (id) => {
        this.#bytes.check(id);
        ids.push(id);
        return rest(false);
      },
      end: () => rest(true),
    };
  }
}

class LibraryBackedTokenizer extends LibraryBackedVocabulary implements DirectTokenizer {
  readonly #addedTokens: AddedTokens;
  /** The same file without added tokens, for the text between them. */
  readonly #plain: LibraryTokenizer;

  constructor(file: TokenizerFile, options: LibraryOptions) {
    super(file, options);
    this.#plain = build(options.library, file, []);
    const { normalizer } = this.#plain;
    this.#addedTokens = new AddedTokens(
      file.addedTokens,
      normalizer === null ? undefined : (text) => normalizer(text),
    );
  }

  encode(text: string, options: EncodeOptions = {}): Int32Array {
    const { pre_tokenizer: preTokenizer, model } = this.#plain;
    const ids: number[] = [];
    this.#addedTokens.visit(text, options, {
      token: (id) => ids.push(id),
      plain: (part, isStart) => {
        const pieces = preTokenizer?.(part, { section_index: isStart ? 0 : 1 }) ?? [part];
        for (const token of model(pieces)) {
          const id = model.tokens_to_ids.get(token) ?? model.unk_token_id;
          if (id === undefined)
            throw new RequestError(
              `Token ${ids.length} of this text has no id: the vocabulary lacks some of its characters and ` +
                "has no unknown token.",
            );
          ids.push(id);
        }
      },
    });
    return Int32Array.from(ids);
  }
}

/** Only for pieces outside byte-level vocabularies: `<0x0A>` is a byte, U+2581 stands for a space. */
const writePiece: WriteToken = (token, bytes, at) => {
  const hex = /^<0x([0-9A-F]{2})>$/.exec(token)?.[1];
  if (hex === undefined)
    return ENCODER.encodeInto(token.replaceAll("\u2581", " "), bytes.subarray(at)).written;
  bytes[at] = Number.parseInt(hex, 16);
  return 1;
};

function build(
  library: LibraryModule,
  file: TokenizerFile,
  addedTokens: readonly AddedToken[],
): LibraryTokenizer {
  try {
    return new library.Tokenizer(
      {
        normalizer: null,
        pre_tokenizer: null,
        decoder: null,
        ...file.json,
        // It would add special tokens; in a Tokenizer the caller does that.
        post_processor: null,
        model: file.model,
        // The other fields are for finding tokens, which the library does not do here.
        added_tokens: addedTokens.map(({ id, text, special }) => ({ id, content: text, special })),
      },
      {},
    );
  } catch (cause) {
    throw new FormatError(
      "Expected a tokenizer.json that @huggingface/tokenizers can use: " +
        `${cause instanceof Error ? cause.message : String(cause)}.`,
      { cause },
    );
  }
}
