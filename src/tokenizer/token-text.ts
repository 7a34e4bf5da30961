/** A single token in readable form. Knows no sequences. */
import type { Tokenizer } from "./tokenizer.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The token's text, or `bytes:\xe2\x80` if it is a part of a character, so that different tokens look
 * different.
 */
export function tokenText(tokenizer: Pick<Tokenizer, "tokenBytes">, id: number): string {
  const bytes = tokenizer.tokenBytes(id);
  try {
    return utf8.decode(bytes);
  } catch {
    const hex = Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`);
    return `bytes:${hex.join("")}`;
  }
}
