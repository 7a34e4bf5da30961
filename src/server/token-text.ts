/** Tokens and their chances as clients of OpenAI's interface show them. Knows no requests. */
import type { TokenLogProb } from "../inference/index.ts";
import { type Tokenizer, tokenText } from "../tokenizer/index.ts";

export { tokenText };

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
