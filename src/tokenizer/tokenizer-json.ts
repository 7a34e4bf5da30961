/**
 * Hugging Face's `tokenizer.json` -> tokenizer; `tokenizer-json-text.ts` is the way back.
 *
 * Reading checks the file and then takes one of two ways: byte-level BPE vocabularies (GPT-2, Llama
 * 3, Qwen, DeepSeek and ours) go to the fast tokenizer; whatever uses a part that it does not know
 * goes to @huggingface/tokenizers as a whole, which is loaded then.
 * Knows no files and no directories.
 */
import { FormatError } from "../errors.ts";
import { createTokenizer } from "./byte-level-tokenizer.ts";
import type { CreateTokenizerOptions, ReadOptions } from "./byte-level-tokenizer.ts";
import { hasAllBytes } from "./byte-alphabet.ts";
import type { TokenizerDefinition, UnicodeForm } from "./definition.ts";
import { escapeForRegex, GPT2_SPLIT } from "./pretokenize.ts";
import { templateStart } from "./text-bounds.ts";
import { asObject, padded, readTokenizerFile } from "./tokenizer-file.ts";
import type { Json, TokenizerFile } from "./tokenizer-file.ts";
import type { DirectTokenizer, TextBounds, Vocabulary } from "./tokenizer.ts";

export interface ReadTokenizerOptions extends Omit<CreateTokenizerOptions, "bounds"> {
  /** `startIds` of "template" are those that the file's post-processor puts before a text. */
  readonly bounds?:
    | (Partial<Omit<TextBounds, "startIds">> & {
        readonly startIds?: readonly number[] | "template";
      })
    | undefined;
  /** Ids that the model has, if they are more than the file's: the rest stand for no text. */
  readonly vocabSize?: number | undefined;
}

/** A tokenizer.json: its text, or what was read of it already. */
export type TokenizerSource = string | TokenizerFile;

/**
 * Reads the text of a trusted tokenizer.json: its patterns run on this thread. Use `openTokenizer` for untrusted ones.
 * Throws FormatError, and nothing else, for text that is not a tokenizer.json or contradicts itself.
 */
export function parseTokenizerJson(
  text: TokenizerSource,
  options: ReadTokenizerOptions = {},
): Promise<DirectTokenizer> {
  return reading(async () => {
    const { file, ...others } = readWith(text, options);
    const definition = toDefinition(file);
    if (definition !== undefined) return createTokenizer(definition, others);
    const { createLibraryBackedTokenizer } = await import("./library-tokenizer.ts");
    return createLibraryBackedTokenizer(file, others);
  });
}

export interface ParsedVocabulary {
  readonly vocabulary: Vocabulary;
  /** The same as a tokenizer of ours, where it is one. */
  readonly byteLevel?: {
    readonly definition: TokenizerDefinition;
    readonly direct: DirectTokenizer;
  };
}

/** Like `parseTokenizerJson`, but runs none of the file's patterns. Takes time linear in the file. */
export function parseVocabulary(
  text: TokenizerSource,
  options: ReadTokenizerOptions = {},
): Promise<ParsedVocabulary> {
  return reading(async () => {
    const { file, ...others } = readWith(text, options);
    const definition = toDefinition(file);
    if (definition === undefined) {
      const { createLibraryBackedVocabulary } = await import("./library-tokenizer.ts");
      return { vocabulary: await createLibraryBackedVocabulary(file, others) };
    }
    const direct = await createTokenizer(definition, others);
    return { vocabulary: direct, byteLevel: { definition, direct } };
  });
}

function readWith(
  text: TokenizerSource,
  { vocabSize, bounds, ...others }: ReadTokenizerOptions,
): ReadOptions & { readonly file: TokenizerFile } {
  const file = padded(typeof text === "string" ? readTokenizerFile(text) : text, vocabSize);
  const read = { ...others, file, vocab: file.idOf };
  if (bounds === undefined) return read;
  const { startIds, ...rest } = bounds;
  const given = startIds === "template" ? templateStart(file) : startIds;
  return { ...read, bounds: { ...rest, ...(given && { startIds: given }) } };
}

async function reading<T>(read: () => T | Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    throw asFormatError(cause);
  }
}

/** Bounds the recursion into nested steps. */
function asFormatError(cause: unknown): unknown {
  if (!(cause instanceof RangeError)) return cause;
  return new FormatError(
    `Expected a tokenizer.json with a few steps, got one nested beyond use: ${cause.message}.`,
    { cause },
  );
}

/**
 * The definition in a tokenizer.json, or undefined where it uses parts that a definition cannot
 * express (other models, normalizers or pre-tokenizers). Throws FormatError as above.
 */
export function parseTokenizerDefinition(text: string): TokenizerDefinition | undefined {
  try {
    return toDefinition(readTokenizerFile(text));
  } catch (cause) {
    throw asFormatError(cause);
  }
}

function toDefinition(file: TokenizerFile): TokenizerDefinition | undefined {
  const { model, normalizer, preTokenizer, decoder, addedTokens } = file;
  if (model["type"] !== "BPE" || file.merges === undefined) return undefined;
  if (isSet(model["dropout"]) || isSet(model["byte_fallback"])) return undefined;
  if (isSet(model["continuing_subword_prefix"]) || isSet(model["end_of_word_suffix"])) {
    return undefined;
  }
  if (decoder?.["type"] !== "ByteLevel") return undefined;
  const unicodeForm = readUnicodeForm(normalizer);
  const splits = readSplits(preTokenizer);
  if (unicodeForm === undefined || splits === undefined) return undefined;
  // A byte without a token becomes the unknown one where there is one, and is left out otherwise.
  if (isSet(model["unk_token"]) && !hasAllBytes(file.idOf)) return undefined;
  return {
    tokens: file.tokens,
    merges: file.merges,
    splits,
    addedTokens,
    ...(model["ignore_merges"] === true ? { ignoreMerges: true } : {}),
    ...(unicodeForm === "none" ? {} : { unicodeForm }),
  };
}

/** Options are off when absent, null, false, 0 or "". */
function isSet(value: unknown): boolean {
  return value !== undefined && value !== null && value !== false && value !== 0 && value !== "";
}

const UNICODE_FORMS: readonly UnicodeForm[] = ["NFC", "NFD", "NFKC", "NFKD"];

/** "none" without a normalizer, undefined for one that is more than a Unicode form. */
function readUnicodeForm(normalizer: Json | undefined): UnicodeForm | "none" | undefined {
  if (normalizer === undefined) return "none";
  const steps = normalizer["type"] === "Sequence" ? normalizer["normalizers"] : undefined;
  if (Array.isArray(steps) && steps.length < 2) return readUnicodeForm(asObject(steps[0]));
  return UNICODE_FORMS.find((form) => form === normalizer["type"]);
}

/** Patterns of `ByteLevel` or of `Sequence [Split ..., ByteLevel]`; undefined for anything else. */
function readSplits(preTokenizer: Json | undefined): string[] | undefined {
  const inSequence = preTokenizer?.["pretokenizers"];
  const steps: readonly unknown[] =
    preTokenizer?.["type"] === "Sequence" && Array.isArray(inSequence)
      ? inSequence
      : [preTokenizer];
  const splits: string[] = [];
  for (const [index, value] of steps.entries()) {
    const step = asObject(value);
    if (step === undefined) return undefined;
    const isLast = index === steps.length - 1;
    if (isLast !== (step["type"] === "ByteLevel")) return undefined;
    if (isLast) {
      if (step["add_prefix_space"] === true) return undefined;
      if (step["use_regex"] !== false) splits.push(GPT2_SPLIT);
      return splits;
    }
    const pattern = readSplit(step);
    if (pattern === undefined) return undefined;
    splits.push(pattern);
  }
  return undefined;
}

function readSplit(step: Json): string | undefined {
  if (step["type"] !== "Split" || step["invert"] === true) return undefined;
  if (String(step["behavior"]).toLowerCase() !== "isolated") return undefined;
  const pattern = asObject(step["pattern"]);
  const regex = pattern?.["Regex"];
  if (typeof regex === "string") return regex;
  const literal = pattern?.["String"];
  return typeof literal === "string" && literal !== "" ? escapeForRegex(literal) : undefined;
}

/** SHA-256 of the text of a tokenizer.json: what counts of its ids belong to. */
export async function tokenizerDigest(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}
