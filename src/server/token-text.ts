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

/** The likeliest tokens by their text, as the completions interface has it. */
export function topByText(
  tokenizer: Tokenizer,
  top: readonly TokenLogProb[],
): Record<string, number> {
  return Object.fromEntries(top.map(({ id, logProb }) => [tokenText(tokenizer, id), logProb]));
}
