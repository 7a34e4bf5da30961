/** Texts of tokens and their log-probabilities, as in OpenAI's interface. Knows no requests. */
import type { TokenLogProb } from "../inference/index.ts";
import { type Tokenizer, tokenText } from "../tokenizer/index.ts";

export { tokenText };

/**
 * Where a token's own text begins. `piece` is the text that this token made final, and `offset` where the piece begins:
 * it may start with incomplete characters of earlier tokens.
 */
export function startInText(
  tokenizer: Tokenizer,
  { id, piece, offset }: { id: number; piece: string; offset: number },
): number {
  const own = tokenText(tokenizer, id);
  return piece.endsWith(own) ? offset + piece.length - own.length : offset;
}

/** Log-probabilities by token text, as the completions interface returns them. */
export function topByText(
  tokenizer: Tokenizer,
  top: readonly TokenLogProb[],
): Record<string, number> {
  return Object.fromEntries(top.map(({ id, logProb }) => [tokenText(tokenizer, id), logProb]));
}
