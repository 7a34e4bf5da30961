/**
 * `.tiktoken` rank files: one token a line, its bytes in base64, a space, its rank, which is both
 * its id and the priority of the merge that makes it. Special tokens and the patterns that cut text
 * are not in the file; they come beside it. Knows no files and no directories.
 */
import { FormatError } from "../errors.ts";
import { spellBytes } from "./byte-alphabet.ts";
import { createTokenizer } from "./byte-level-tokenizer.ts";
import type { CreateTokenizerOptions } from "./byte-level-tokenizer.ts";
import type { AddedToken, TokenizerDefinition } from "./definition.ts";
import { asObject, checkTokenLength } from "./tokenizer-file.ts";
import type { DirectTokenizer } from "./tokenizer.ts";

export interface TiktokenOptions extends CreateTokenizerOptions {
  /** Special tokens by their text, see `parseSpecialTokens`. Default none. */
  readonly specialTokens?: ReadonlyMap<string, number>;
  /**
   * Patterns that cut text into pieces, see `pretokenize.ts`. Without them the tokenizer decodes,
   * and refuses to encode.
   */
  readonly splits?: readonly string[];
}

/** Far above any vocabulary in use; keeps a corrupt id from reserving gigabytes. */
const MAX_ID = 2 ** 21 - 1;
const MAX_HOLES = 65_536;

/**
 * Reads the text of a .tiktoken file. Throws FormatError, and nothing else, if it is not one, and
 * if file and special tokens together leave an id without a token: a truncated file does.
 */
export async function parseTiktoken(
  text: string,
  options: TiktokenOptions = {},
): Promise<DirectTokenizer> {
  return createTokenizer(parseTiktokenDefinition(text, options), options);
}

export function parseTiktokenDefinition(
  text: string,
  { specialTokens = new Map(), splits }: TiktokenOptions = {},
): TokenizerDefinition {
  const byId = new Map<number, string>();
  const idOf = new Map<string, number>();
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const { token, id } = readLine(line.trim(), index + 1);
    if (byId.has(id) || idOf.has(token)) {
      throw new FormatError(
        `Line ${index + 1} of the .tiktoken file repeats rank ${id} or the bytes ` +
          `${JSON.stringify(token)} (rank ${idOf.get(token) ?? "another"}).`,
      );
    }
    byId.set(id, token);
    idOf.set(token, id);
  }
  if (byId.size === 0) throw new FormatError("Expected a .tiktoken file, got no line of ranks.");
  const addedTokens = addSpecial(byId, specialTokens);
  fillHoles(byId, { addedTokens, numRanks: idOf.size });
  const tokens = Array.from({ length: byId.size }, (_, id) => byId.get(id) ?? "");
  return { tokens, merges: "by-id", splits, addedTokens, ignoreMerges: true };
}

/**
 * Reads the JSON object `{"text": id, ...}` that lists special tokens beside a .tiktoken file; it may
 * also stand under the key "tokens", with remarks beside it.
 */
export function parseSpecialTokens(text: string): Map<string, number> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new FormatError(
      `Expected a JSON object of special tokens, {"text": id, ...}, got ${text.length} characters ` +
        "that are not JSON.",
      { cause },
    );
  }
  const list = asObject(asObject(json)?.["tokens"]) ?? asObject(json);
  if (list === undefined) {
    throw new FormatError('Expected special tokens as one JSON object, {"text": id, ...}.');
  }
  const idOf = new Map<string, number>();
  for (const [token, id] of Object.entries(list)) {
    if (token === "" || !isId(id)) {
      throw new FormatError(
        `Expected special token ${JSON.stringify(token)} to have a text and an id from 0 to ` +
          `${MAX_ID}, got ${JSON.stringify(id)}.`,
      );
    }
    idOf.set(token, id);
  }
  return idOf;
}

function isId(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= MAX_ID;
}

function readLine(line: string, number: number): { token: string; id: number } {
  const parts = /^([A-Za-z0-9+/]+={0,2}) (\d{1,9})$/.exec(line);
  const id = Number(parts?.[2] ?? -1);
  if (parts?.[1] === undefined || parts[1].length % 4 !== 0 || !isId(id)) {
    throw new FormatError(
      `Expected line ${number} of the .tiktoken file to be base64, a space and a rank from 0 to ` +
        `${MAX_ID}, got ${JSON.stringify(line.slice(0, 80))}.`,
    );
  }
  const binary = atob(parts[1]);
  const token = spellBytes(Uint8Array.from(binary, (char) => char.charCodeAt(0)));
  checkTokenLength(token);
  return { token, id };
}

/**
 * A special token may stand in the rank file too (DeepSeek's does); then both must agree, and it is
 * special: text never merges into it.
 */
function addSpecial(
  byId: Map<number, string>,
  specialTokens: ReadonlyMap<string, number>,
): AddedToken[] {
  const encoder = new TextEncoder();
  const addedTokens: AddedToken[] = [];
  const taken = new Map<number, string>();
  for (const [text, id] of specialTokens) {
    const ranked = byId.get(id);
    const other = taken.get(id);
    if (!isId(id) || other !== undefined) {
      throw new FormatError(
        `Expected every special token to have its own id, got ${id} for ${JSON.stringify(text)}` +
          `${other === undefined ? "" : ` and ${JSON.stringify(other)}`}.`,
      );
    }
    if (ranked !== undefined && ranked !== spellBytes(encoder.encode(text))) {
      throw new FormatError(
        `Special token ${JSON.stringify(text)} has id ${id}, but in the .tiktoken file that is ` +
          `${JSON.stringify(ranked)}: the two files belong to different vocabularies.`,
      );
    }
    taken.set(id, text);
    addedTokens.push({ id, text, special: true });
  }
  for (const { id, text } of addedTokens) byId.set(id, text);
  return addedTokens;
}

/**
 * Gives every id up to the highest a token. Ranks must be dense, special tokens may fill them up.
 * Released lists of special tokens have holes, and cl100k and o200k leave one id free before theirs;
 * such an id becomes the special token `<|unused_ID|>`, so that ids stay apart. A wider hole before
 * the special tokens means that lines of the file are missing.
 */
function fillHoles(
  byId: Map<number, string>,
  { addedTokens, numRanks }: { addedTokens: AddedToken[]; numRanks: number },
): void {
  let highest = 0;
  for (const id of byId.keys()) highest = Math.max(highest, id);
  let firstHole = 0;
  while (byId.has(firstHole)) firstHole++;
  const missing = highest + 1 - byId.size;
  const isWide = !addedTokens.some(({ id }) => id >= numRanks && id <= firstHole + 1);
  if (missing > 0 && (isWide || missing > MAX_HOLES)) {
    throw new FormatError(
      `Expected tokens for all ids from 0 to ${highest}, found none for ${firstHole} (${missing} are ` +
        "missing): the .tiktoken file is truncated, or the list of special tokens belongs to another.",
    );
  }
  for (let id = firstHole; id < highest; id++) {
    if (byId.has(id)) continue;
    const text = `<|unused_${id}|>`;
    byId.set(id, text);
    addedTokens.push({ id, text, special: true });
  }
}
