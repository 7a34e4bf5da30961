/**
 * Finds a vocabulary's added tokens in a text, as the Rust library `tokenizers` does (`added_vocabulary.rs`). The first
 * round searches the text as written; the second searches the rest in its normalised form. Each round goes from left to
 * right and takes the longest token at each position. Does not know what happens to the text between them.
 *
 * @huggingface/tokenizers 0.2.0 differs: it matches a `single_word` token inside a word, its `lstrip` and `rstrip` use
 * JavaScript's white space (no U+0085, but U+FEFF), and it searches for both kinds at once. It is therefore given no
 * added tokens, only the text between them.
 */
import type { AddedToken } from "./definition.ts";
import { escapeForRegex } from "./pretokenize.ts";
import type { EncodeOptions } from "./tokenizer.ts";

/** Receives the parts of a text, from left to right. */
export interface AddedTokenVisitor {
  readonly token: (id: number) => void;
  /** Normalised text, never empty. `isStart`: it is at the start of the text. */
  readonly plain: (text: string, isStart: boolean) => void;
}

type Normalize = (text: string) => string;

/** Which special tokens may be found in a text, or in the part of it that begins at `offset`. */
interface Permission {
  readonly allowSpecial: boolean;
  readonly literals: ArrayLike<number>;
  readonly offset: number;
}

export class AddedTokens {
  readonly #normalize: Normalize | undefined;
  readonly #written: Finder | undefined;
  readonly #normalized: Finder | undefined;

  constructor(tokens: readonly AddedToken[], normalize?: Normalize) {
    this.#normalize = normalize;
    this.#written = buildFinder(tokens.filter((token) => token.normalized !== true));
    this.#normalized = buildFinder(
      tokens.filter((token) => token.normalized === true),
      normalize,
    );
  }

  /**
   * Without `allowSpecial`, special tokens are ordinary text, but no token inside them is found. Tokens that would
   * cover one of the `literals` hide nothing, because what follows may be the caller's own markup.
   */
  visit(
    text: string,
    { allowSpecial = false, literals = [] }: EncodeOptions,
    { token, plain }: AddedTokenVisitor,
  ): void {
    find(this.#written, text, {
      permission: { allowSpecial, literals, offset: 0 },
      token,
      plain: (written, offset) => {
        const normal = this.#normalize?.(written) ?? written;
        // Offsets are not known in the normal form.
        const isKnown =
          this.#normalize === undefined || nextLiteral(literals, offset) >= offset + written.length;
        find(this.#normalized, normal, {
          permission: { allowSpecial: allowSpecial && isKnown, literals, offset },
          token,
          plain: (part, start) => plain(part, offset + start === 0),
        });
      },
    });
  }
}

interface Finder {
  readonly pattern: RegExp;
  readonly tokenOf: ReadonlyMap<string, AddedToken>;
  readonly longestFirst: readonly string[];
  readonly hasOrdinary: boolean;
}

function buildFinder(tokens: readonly AddedToken[], normalize?: Normalize): Finder | undefined {
  if (tokens.length === 0) return undefined;
  const tokenOf = new Map<string, AddedToken>();
  // Of two tokens with the same text, a special one wins, then the earlier one.
  for (const token of tokens.toSorted((a, b) => Number(b.special) - Number(a.special))) {
    const text = normalize?.(token.text) ?? token.text;
    if (text !== "" && !tokenOf.has(text)) tokenOf.set(text, token);
  }
  if (tokenOf.size === 0) return undefined;
  const longestFirst = [...tokenOf.keys()].toSorted((a, b) => b.length - a.length);
  return {
    pattern: new RegExp(longestFirst.map(escapeForRegex).join("|"), "g"),
    tokenOf,
    longestFirst,
    hasOrdinary: tokens.some(({ special }) => !special),
  };
}

function find(
  finder: Finder | undefined,
  text: string,
  {
    permission,
    token,
    plain,
  }: {
    permission: Permission;
    token: (id: number) => void;
    plain: (text: string, offset: number) => void;
  },
): void {
  let at = 0;
  if (finder !== undefined && (permission.allowSpecial || finder.hasOrdinary))
    for (const { added, index, length } of matches(finder, text, permission)) {
      const { id, special, singleWord, lstrip, rstrip } = added;
      if (special && !permission.allowSpecial) continue;
      let start = index;
      let end = index + length;
      if (
        singleWord === true &&
        (wordBefore.test(text.slice(Math.max(0, start - 2), start)) || isWordAt(text, end))
      )
        continue;
      // The token before may already have taken the white space.
      if (lstrip === true) start = Math.max(at, start - spaceAtEnd(text, start));
      if (rstrip === true) end += spaceAt(text, end);
      if (start > at) plain(text.slice(at, start), at);
      token(id);
      at = end;
    }
  if (at < text.length) plain(at === 0 ? text : text.slice(at), at);
}

interface Match {
  readonly added: AddedToken;
  readonly index: number;
  readonly length: number;
}

/** From left to right, the longest token at each position that covers no literal. */
function* matches(
  { pattern, tokenOf, longestFirst }: Finder,
  text: string,
  { literals, offset }: Permission,
): Generator<Match, void> {
  if (literals.length === 0) {
    for (const { 0: found, index } of text.matchAll(pattern))
      yield { added: tokenOf.get(found)!, index, length: found.length };
    return;
  }
  const searching = new RegExp(pattern);
  for (let match = searching.exec(text); match !== null; match = searching.exec(text)) {
    const { 0: longest, index } = match;
    const literal = nextLiteral(literals, offset + index) - offset;
    const isFree = (found: string): boolean =>
      !tokenOf.get(found)!.special || index + found.length <= literal;
    const found = isFree(longest)
      ? longest
      : longestFirst.find((other) => text.startsWith(other, index) && isFree(other));
    if (found !== undefined) yield { added: tokenOf.get(found)!, index, length: found.length };
    searching.lastIndex = index + (found?.length ?? 1);
  }
}

/** The first literal from `at` on, or Infinity. */
function nextLiteral(literals: ArrayLike<number>, at: number): number {
  let low = 0;
  let high = literals.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (literals[middle]! < at) low = middle + 1;
    else high = middle;
  }
  return literals[low] ?? Infinity;
}

/** `\w` and `\s` of Rust's `regex` (Unicode TR18, Annex C). JavaScript's differ. */
const WORD = "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}]";
const SPACE = /\p{White_Space}/u;
const wordBefore = new RegExp(`${WORD}$`, "u");
const wordAt = new RegExp(WORD, "uy");

function isWordAt(text: string, at: number): boolean {
  wordAt.lastIndex = at;
  return wordAt.test(text);
}

/** Every white-space character is one UTF-16 unit. */
function spaceAt(text: string, at: number): number {
  let end = at;
  while (end < text.length && SPACE.test(text[end]!)) end++;
  return end - at;
}

function spaceAtEnd(text: string, end: number): number {
  let start = end;
  while (start > 0 && SPACE.test(text[start - 1]!)) start--;
  return end - start;
}
