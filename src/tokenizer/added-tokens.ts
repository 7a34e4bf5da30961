/**
 * Finds a vocabulary's added tokens in a text, as the Rust library `tokenizers` does (`added_vocabulary.rs`): first those
 * that are looked for in the text as written, then, in what is left, those that are looked for in its normalised form;
 * in each round from the left, the longest at each place. Knows nothing of what becomes of the text between them.
 *
 * @huggingface/tokenizers 0.2.0 does this otherwise: it takes a `single_word` token inside a word, lets `lstrip` and
 * `rstrip` take JavaScript's white space (no U+0085, but U+FEFF), and looks for both kinds in one map of texts. So it is
 * given no added tokens, and the text between them only.
 */
import type { AddedToken } from "./definition.ts";
import { escapeForRegex } from "./pretokenize.ts";
import type { EncodeOptions } from "./tokenizer.ts";

/** What becomes of the parts of a text, from left to right. */
export interface AddedTokenVisitor {
  readonly token: (id: number) => void;
  /** Normalised, never empty. `isStart`: it begins where the text begins. */
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
   * Without `allowSpecial`, special tokens are text like any other; they still hide what lies inside them. Those that
   * would cover one of the `literals` hide nothing: what stands behind may be the caller's own markup.
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
        // Nobody knows where an offset lies in the normal form.
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
  // Of two with the same text the special one counts, then the earlier one.
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
      // White space that the token before has taken is gone.
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

/** From the left, the longest at each place that covers no literal. */
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

/** `\w` and `\s` of Rust's `regex` (Unicode TR18, Annex C), which JavaScript's are not. */
const WORD = "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}]";
const SPACE = /\p{White_Space}/u;
const wordBefore = new RegExp(`${WORD}$`, "u");
const wordAt = new RegExp(WORD, "uy");

function isWordAt(text: string, at: number): boolean {
  wordAt.lastIndex = at;
  return wordAt.test(text);
}

/** White space is one unit a character. */
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
