/**
 * Splits text into pieces, whose borders merges do not cross. Patterns are given in the dialect of
 * tokenizer.json (Oniguruma). Those of this file are translated here, all others by @huggingface/tokenizers. Knows
 * nothing of vocabularies, merges or special tokens.
 */
import { FormatError, RequestError } from "../errors.ts";
import { translatePattern } from "./library.ts";

/**
 * The pattern of vocabularies trained here. Its parts in order, and why:
 * - a word is letters with their marks (marks belong to words: without them Devanagari or Thai
 *   would be cut at every vowel sign), with at most one character before it that is neither letter,
 *   digit nor line break. That is mostly the space, and also the apostrophe: `don't` becomes
 *   `don` + `'t` with no list of English endings and no case folding, so nothing depends on case,
 *   language or locale;
 * - digits in groups of at most three from the left, so that the vocabulary does not fill with
 *   years and prices and every number is spelled alike;
 * - punctuation and symbols in a run, with the space before and the line breaks after, which keeps
 *   code and lists short;
 * - line breaks with the blanks before them; blanks, but leaving the last one to the word after.
 */
export const DEFAULT_SPLIT: string = [
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+",
  "\\p{N}{1,3}",
  " ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*",
  "\\s*[\\r\\n]+",
  "\\s+(?!\\S)",
  "\\s+",
].join("|");

/** GPT-2's, which is also what a ByteLevel pre-tokenizer with `use_regex` applies. */
export const GPT2_SPLIT: string =
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/** Qwen and Qwen2: as GPT-4's, but digits one by one. */
export const QWEN2_SPLIT: string = [
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)",
  "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+",
  "\\p{N}",
  " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*",
  "\\s*[\\r\\n]+",
  "\\s+(?!\\S)",
  "\\s+",
].join("|");

/** Llama 3: as GPT-4's. */
export const LLAMA3_SPLIT: string = QWEN2_SPLIT.replace("|\\p{N}|", "|\\p{N}{1,3}|");

/** Digits one by one, before another pattern cuts the rest. */
export const DIGIT_SPLIT = "\\p{N}";

/** DeepSeek-V3's three, in order: digits, Chinese and kana, everything else. */
export const DEEPSEEK_V3_SPLITS: readonly string[] = [
  "\\p{N}{1,3}",
  "[一-龥぀-ゟ゠-ヿ]+",
  [
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+",
    "[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+",
    " ?[\\p{P}\\p{S}]+[\\r\\n]*",
    "\\s*[\\r\\n]+",
    "\\s+(?!\\S)",
    "\\s+",
  ].join("|"),
];

/** The patterns above. Only their cost and translation are known here. */
export const KNOWN_SPLITS: ReadonlySet<string> = new Set([
  DEFAULT_SPLIT,
  GPT2_SPLIT,
  QWEN2_SPLIT,
  LLAMA3_SPLIT,
  DIGIT_SPLIT,
  ...DEEPSEEK_V3_SPLITS,
]);

/** One of `KNOWN_SPLITS` for JavaScript, whose `\s` is not Unicode's, and which has no `(?i:` before Node 23. */
export function translateKnown(pattern: string): RegExp {
  const source = pattern
    .replaceAll("\\s", "\\p{White_Space}")
    .replaceAll("\\S", "\\P{White_Space}")
    .replace(/\(\?i:([^)]*)\)/, (_, ends: string) => {
      const anyCase = ends.replaceAll(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}]`);
      return `(?:${anyCase})`;
    });
  return new RegExp(source, "gu");
}

/** Calls `visit` with each piece of `text`, in order. Concatenated they give `text`. */
export type Splitter = (text: string, visit: (piece: string) => void) => void;

/** Published patterns have some hundred characters. Compiling needs memory in proportion to their length. */
const MAX_PATTERN_LENGTH = 16_384;

/** A splitter that applies `patterns` in order, each to the pieces of the previous one. */
export async function buildSplitter(patterns: readonly string[]): Promise<Splitter> {
  const length = patterns.reduce((sum, pattern) => sum + pattern.length, 0);
  if (length > MAX_PATTERN_LENGTH) {
    throw new FormatError(
      `Expected pre-tokenizer patterns of at most ${MAX_PATTERN_LENGTH} characters together, got ${length}.`,
    );
  }
  let splitter: Splitter = visitWhole;
  // Built from the last pattern to the first, so that the innermost visitor is the caller's.
  for (const pattern of patterns.toReversed())
    splitter = splitThen(await compile(pattern), splitter);
  return (text, visit) => {
    try {
      splitter(text, visit);
    } catch (cause) {
      // The engine of regular expressions keeps a stack; four million characters in one run fit.
      if (!(cause instanceof RangeError) || !cause.message.includes("call stack")) throw cause;
      throw new RequestError(
        `Expected text with a break at least every four million characters, got ${text.length} ` +
          "characters with a longer run of letters, marks or signs: split it before.",
        { cause },
      );
    }
  };
}

function visitWhole(text: string, visit: (piece: string) => void): void {
  if (text.length > 0) visit(text);
}

/** A pattern that matches `text` and nothing else; `RegExp.escape` is not in Node 22. */
export function escapeForRegex(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

async function compile(pattern: string): Promise<RegExp> {
  if (KNOWN_SPLITS.has(pattern)) return translateKnown(pattern);
  try {
    const translated = await translatePattern(pattern);
    if (translated !== null) return translated;
  } catch (cause) {
    throw new FormatError(
      `Expected a pre-tokenizer pattern that can be compiled, got ${JSON.stringify(pattern)}: ` +
        `${cause instanceof Error ? cause.message : String(cause)}.`,
      { cause },
    );
  }
  throw new FormatError(`Expected a pre-tokenizer pattern, got ${JSON.stringify(pattern)}.`);
}

function splitThen(pattern: RegExp, inner: Splitter): Splitter {
  // Nearly every position is the start of a match, and `test` at a fixed position makes no match
  // object: 1.2 times as fast as `exec` over the whole road to counted words.
  const here = new RegExp(pattern.source, `${pattern.flags.replace("g", "")}y`);
  const ahead = new RegExp(pattern.source, pattern.flags);
  return (text, visit) => {
    const end = text.length;
    let at = 0;
    while (at < end) {
      here.lastIndex = at;
      if (here.test(text) && here.lastIndex > at) {
        const next = here.lastIndex;
        inner(text.slice(at, next), visit);
        at = next;
        continue;
      }
      // No match, or an empty one, starts here: what lies before the next match is a piece of its own.
      ahead.lastIndex = at;
      let match = ahead.exec(text);
      let gapStart = at;
      while (match !== null && match[0].length === 0) {
        if (match.index > gapStart) inner(text.slice(gapStart, match.index), visit);
        gapStart = match.index;
        ahead.lastIndex = match.index + ((text.codePointAt(match.index) ?? 0) > 0xffff ? 2 : 1);
        match = ahead.exec(text);
      }
      const gapEnd = match === null ? end : match.index;
      if (gapEnd > gapStart) inner(text.slice(gapStart, gapEnd), visit);
      at = gapEnd;
      if (match !== null) {
        at = gapEnd + match[0].length;
        inner(match[0], visit);
      }
    }
  };
}
