/**
 * Token compression: ids whose text normalises to the same string share one compressed id, numbered by first
 * occurrence. The map is part of a checkpoint: with one id more or less, every address changes. So it is identified
 * by its SHA-256 (int32, little endian). Of a tokenizer it needs only the spellings of ids.
 */
import { InvalidConfigError, RequestError } from "../errors.ts";
import type { Tokenizer } from "../tokenizer/index.ts";
import { normalizeToken } from "./normal-form.ts";

/** Token ids to compressed ids: the first step of an address. */
export interface TokenMap {
  /** Compressed id of each raw id. */
  readonly map: Int32Array;
  /** Compressed ids are 0..compressedVocabSize-1. */
  readonly compressedVocabSize: number;
}

/** The part of a tokenizer that is needed. `decode([id])` keeps special tokens. */
export type TokenSpellings = Pick<Tokenizer, "vocabSize" | "decode" | "rawToken">;

/** The map of a vocabulary, made from the spellings of all its ids. */
export function buildTokenMap(tokenizer: TokenSpellings): TokenMap {
  const map = new Int32Array(tokenizer.vocabSize);
  // Raw forms and normal forms share one namespace, because the released map was built that way.
  const ranks = new Map<string, number>();
  for (let id = 0; id < map.length; id++) {
    const text = tokenizer.decode([id]);
    const key = text.includes("\u{FFFD}") ? tokenizer.rawToken(id) : normalizeToken(text) || text;
    let rank = ranks.get(key);
    if (rank === undefined) ranks.set(key, (rank = ranks.size));
    map[id] = rank;
  }
  return { map, compressedVocabSize: ranks.size };
}

/** Compressed ids of raw ids. Throws `RequestError` for an id outside the vocabulary. */
export function compressIds(tokenMap: TokenMap, ids: ArrayLike<number>): Int32Array {
  const into = new Int32Array(ids.length);
  compressInto(tokenMap, { ids, from: 0, into });
  return into;
}

/** As `compressIds` for the ids from position `from` on, as many as `into` holds. */
export function compressInto(
  { map }: TokenMap,
  { ids, from, into }: { ids: ArrayLike<number>; from: number; into: Int32Array },
): void {
  for (let i = 0; i < into.length; i++) {
    const id = ids[from + i]!;
    const rank = map[id];
    if (rank === undefined)
      throw new RequestError(
        `token id ${id} at position ${from + i} is outside the vocabulary 0..${map.length - 1}`,
      );
    into[i] = rank;
  }
}

/** Refuses a map made from another tokenizer than the configuration's. */
export function checkTokenMap(tokenMap: TokenMap, compressedVocabSize: number): void {
  if (tokenMap.compressedVocabSize !== compressedVocabSize)
    throw new InvalidConfigError(
      `engram_compressed_vocab_size is ${compressedVocabSize}, but the tokenizer compresses to ` +
        `${tokenMap.compressedVocabSize} ids; every address would change, so use the tokenizer that ` +
        "belongs to this configuration",
    );
}

/** The map at rest: int32, little endian, in id order. */
export function tokenMapBytes({ map }: TokenMap): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4 * map.length);
  const view = new DataView(bytes.buffer);
  for (const [id, rank] of map.entries()) view.setInt32(4 * id, rank, true);
  return bytes;
}

/** SHA-256 of `tokenMapBytes` in hexadecimal: the identity under which maps are published. */
export async function tokenMapSha256(tokenMap: TokenMap): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", tokenMapBytes(tokenMap));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
