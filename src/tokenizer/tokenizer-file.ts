/**
 * The checked contents of a `tokenizer.json`. Checks that it is one, that ids are unique, and that the
 * tokens of merges exist. Does not interpret the parts; encodes and decodes nothing.
 */
import { FormatError } from "../errors.ts";
import { isRecord } from "../json-values.ts";
import type { AddedToken } from "./definition.ts";

export type Json = { readonly [key: string]: unknown };

export interface TokenizerFile {
  /** The whole file as parsed. */
  readonly json: Json;
  readonly model: Json;
  readonly normalizer: Json | undefined;
  readonly preTokenizer: Json | undefined;
  readonly decoder: Json | undefined;
  /** All tokens by id, with the added ones; "" for an unused id. */
  readonly tokens: readonly string[];
  /** The id of each token by its text, those of added ones too. */
  readonly idOf: ReadonlyMap<string, number>;
  /** Pairs of ids, first merged first; undefined where the model has no merges. */
  readonly merges: Int32Array | undefined;
  readonly addedTokens: readonly AddedToken[];
}

/** Ids without a token are allowed (released vocabularies have some) but not mostly holes. */
const MAX_HOLES = 65_536;

/** The largest that is known has 35 million characters (a vocabulary of 262,144). */
const MAX_FILE_LENGTH = 2 ** 28;

/** Throws FormatError for anything that is not a usable tokenizer.json. */
export function readTokenizerFile(text: string): TokenizerFile {
  if (text.length > MAX_FILE_LENGTH) {
    throw new FormatError(
      `Expected a tokenizer.json of at most ${MAX_FILE_LENGTH} characters, got ${text.length}.`,
    );
  }
  return checkedFile(parseJsonObject(text, "tokenizer.json"), readVocab);
}

/** Parsed contents; `vocabOf` reads the ids of the model's tokens. Throws as `readTokenizerFile` does. */
export function checkedFile(
  json: Json,
  vocabOf: (vocab: unknown) => Map<string, number>,
): TokenizerFile {
  const model = optionalObject(json["model"], "model");
  if (model === undefined) {
    throw new FormatError(
      'Expected a tokenizer.json with an object "model", found none: is it tokenizer_config.json?',
    );
  }
  const type = model["type"] ?? (Array.isArray(model["merges"]) ? "BPE" : undefined);
  if (type !== "BPE" && type !== "WordPiece" && type !== "Unigram") {
    throw new FormatError(
      `Expected model type BPE, WordPiece or Unigram in tokenizer.json, got ${JSON.stringify(type)}.`,
    );
  }
  const idOf = vocabOf(model["vocab"]);
  const merges = type === "BPE" ? readMerges(model["merges"], idOf) : undefined;
  const addedTokens = readAddedTokens(json["added_tokens"]);
  return {
    json,
    model: { ...model, type },
    normalizer: optionalObject(json["normalizer"], "normalizer"),
    preTokenizer: optionalObject(json["pre_tokenizer"], "pre_tokenizer"),
    decoder: optionalObject(json["decoder"], "decoder"),
    tokens: tokensById(idOf, addedTokens),
    idOf,
    merges,
    addedTokens,
  };
}

/** The same with `vocabSize` ids, of which the last stand for no text. Models round their vocabularies up. */
export function padded(file: TokenizerFile, vocabSize: number = 0): TokenizerFile {
  const missing = vocabSize - file.tokens.length;
  if (missing <= 0) return file;
  if (missing > MAX_HOLES)
    throw new FormatError(
      `Expected a tokenizer.json with nearly the ${vocabSize} tokens of its model, got ${file.tokens.length}.`,
    );
  const holes = Array.from({ length: missing }, () => "");
  return { ...file, tokens: [...file.tokens, ...holes] };
}

export function asObject(value: unknown): Json | undefined {
  return isRecord(value) ? value : undefined;
}

/** `name` is the file's name in messages. */
export function parseJsonObject(text: string, name: string): Json {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new FormatError(
      `Expected the JSON of a ${name}, got ${text.length} characters that are not JSON: ` +
        `${cause instanceof Error ? cause.message : String(cause)}.`,
      { cause },
    );
  }
  const object = asObject(json);
  if (object === undefined) {
    throw new FormatError(
      `Expected ${name} to hold an object, got ${Array.isArray(json) ? "an array" : typeof json}.`,
    );
  }
  return object;
}

function optionalObject(value: unknown, name: string): Json | undefined {
  if (value === undefined || value === null) return undefined;
  const object = asObject(value);
  if (object === undefined) {
    throw new FormatError(`Expected "${name}" in tokenizer.json to be an object or null.`);
  }
  return object;
}

/** BPE and WordPiece write an object of ids, Unigram a list of [token, score]. */
export function readVocab(vocab: unknown): Map<string, number> {
  const idOf = new Map<string, number>();
  // A map where ids are sparse, which arrays of JavaScript are then.
  const byId: (string | undefined)[] = [];
  const add = (token: string, id: unknown): void => {
    checkId(id, token);
    const other = byId[id];
    if (other !== undefined) {
      throw new FormatError(
        `Expected every token of the vocabulary to have its own id, got ${id} for both ` +
          `${JSON.stringify(other)} and ${JSON.stringify(token)}.`,
      );
    }
    checkTokenLength(token);
    byId[id] = token;
    idOf.set(token, id);
  };
  if (Array.isArray(vocab)) {
    for (const [id, entry] of vocab.entries()) {
      if (!Array.isArray(entry) || typeof entry[0] !== "string") {
        throw new FormatError(`Expected entry ${id} of the vocabulary to be [token, score].`);
      }
      add(entry[0], id);
    }
  } else {
    const object = asObject(vocab);
    if (object === undefined) {
      throw new FormatError("Expected a vocabulary that maps tokens to ids, found none.");
    }
    for (const token of Object.keys(object)) add(token, object[token]);
  }
  if (idOf.size === 0)
    throw new FormatError("Expected a vocabulary with tokens, got an empty one.");
  return idOf;
}

/** Published ones have at most some hundred characters. Some checks take quadratic time. */
const MAX_TOKEN_LENGTH = 4096;

export function checkTokenLength(token: string): void {
  if (token.length <= MAX_TOKEN_LENGTH) return;
  throw new FormatError(
    `Expected tokens of at most ${MAX_TOKEN_LENGTH} characters, got one of ${token.length} that begins ` +
      `${JSON.stringify(token.slice(0, 40))}.`,
  );
}

function checkId(id: unknown, token: string): asserts id is number {
  if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id > 0x7fffffff) {
    throw new FormatError(
      `Expected the id of ${JSON.stringify(token)} to be an integer from 0, got ` +
        `${JSON.stringify(id)}.`,
    );
  }
}

/** Merges are `"left right"` or, since tokenizers 0.20, `["left", "right"]`. */
export function readMerges(merges: unknown, idOf: ReadonlyMap<string, number>): Int32Array {
  if (!Array.isArray(merges)) {
    throw new FormatError("Expected a list of merges, found none.");
  }
  const pairs = new Int32Array(merges.length * 2);
  for (let rank = 0; rank < merges.length; rank++) {
    const merge: unknown = merges[rank];
    const sides: unknown = typeof merge === "string" ? merge.split(" ") : merge;
    if (!Array.isArray(sides) || sides.length !== 2) {
      throw new FormatError(
        `Expected merge ${rank} to name two tokens, got ${JSON.stringify(merge)}.`,
      );
    }
    for (let side = 0; side < 2; side++) {
      const token: unknown = sides[side];
      const id = typeof token === "string" ? idOf.get(token) : undefined;
      if (id === undefined) {
        throw new FormatError(
          `Merge ${rank} names ${JSON.stringify(token)}, which is not in the vocabulary.`,
        );
      }
      pairs[rank * 2 + side] = id;
    }
  }
  return pairs;
}

function readAddedTokens(value: unknown): AddedToken[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) {
    throw new FormatError('Expected "added_tokens" in tokenizer.json to be a list.');
  }
  return value.map((entry: unknown, index) => {
    const added = asObject(entry);
    const text = added?.["content"];
    const id = added?.["id"];
    if (added === undefined || typeof text !== "string" || text === "") {
      throw new FormatError(`Expected added token ${index} in tokenizer.json to have a "content".`);
    }
    checkId(id, text);
    checkTokenLength(text);
    const special = added["special"] === true;
    const normalized = typeof added["normalized"] === "boolean" ? added["normalized"] : !special;
    return {
      id,
      text,
      special,
      ...(normalized && { normalized }),
      ...(added["lstrip"] === true && { lstrip: true }),
      ...(added["rstrip"] === true && { rstrip: true }),
      ...(added["single_word"] === true && { singleWord: true }),
    };
  });
}

/** All tokens by id, "" where an id has none. Adds to `idOf`. Throws FormatError where the two contradict. */
export function tokensById(
  idOf: Map<string, number>,
  addedTokens: readonly AddedToken[],
): string[] {
  let highest = -1;
  for (const id of idOf.values()) highest = Math.max(highest, id);
  for (const { id } of addedTokens) highest = Math.max(highest, id);
  if (highest + 1 > idOf.size + addedTokens.length + MAX_HOLES) {
    throw new FormatError(
      `Expected the ids of the vocabulary to be nearly dense, got ${idOf.size + addedTokens.length} ` +
        `tokens and a highest id of ${highest}.`,
    );
  }
  const tokens = Array<string>(highest + 1).fill("");
  for (const [token, id] of idOf) tokens[id] = token;
  for (const { id, text } of addedTokens) {
    const there = tokens[id];
    const earlier = idOf.get(text);
    if ((there !== "" && there !== text) || (earlier !== undefined && earlier !== id)) {
      throw new FormatError(
        `Added token ${JSON.stringify(text)} with id ${id} contradicts another entry of ` +
          `tokenizer.json (${JSON.stringify(there)} has that id, ${earlier ?? "no id"} that text).`,
      );
    }
    idOf.set(text, id);
    tokens[id] = text;
  }
  return tokens;
}
