/**
 * Tokens as clients show them: their text, or `bytes:\xe2\x80` where a token is a part of a character,
 * so that unlike tokens never look alike. Knows no requests.
 */
import type { TokenLogProb } from "../inference/index.ts";
import type { Tokenizer } from "../tokenizer/index.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function tokenText(tokenizer: Tokenizer, id: number): string {
  const bytes = tokenizer.tokenBytes(id);
  try {
    return utf8.decode(bytes);
  } catch {
    const hex = Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`);
    return `bytes:${hex.join("")}`;
  }
}

/**
 * Where a token's own text begins in a text, given the piece it made certain and where that begins: the
 * piece may start with what was left of broken characters before it.
 */
export function startInText(
  tokenizer: Tokenizer,
  { id, piece, offset }: { id: number; piece: string; offset: number },
): number {
  const own = tokenText(tokenizer, id);
  return piece.endsWith(own) ? offset + piece.length - own.length : offset;
}

/** JSON has no infinities: a token that cannot come is as unlikely as OpenAI's smallest number says. */
export function finite(logProb: number): number {
  return Math.max(logProb, -9999);
}

/** The likeliest tokens by their text, as the completions interface has it. */
export function topByText(
  tokenizer: Tokenizer,
  top: readonly TokenLogProb[],
): Record<string, number> {
  return Object.fromEntries(
    top.map(({ id, logProb }) => [tokenText(tokenizer, id), finite(logProb)]),
  );
}
