/**
 * Tells which vocabularies encode every text in linear time. These may encode on the caller's thread. For all others
 * the time of their patterns is unknown.
 */
import type { TokenizerDefinition } from "./definition.ts";
import { KNOWN_SPLITS } from "./pretokenize.ts";

/** Limit of the characters of all added tokens, because each may be tried at each position of a text. */
const maxAddedLength = 4096;

export function hasBoundedCost({ splits, addedTokens, unicodeForm }: TokenizerDefinition): boolean {
  const addedLength = addedTokens.reduce((sum, { text }) => sum + text.length, 0);
  return (
    splits !== undefined &&
    // Checked by hand: these patterns never backtrack over more than the run of characters that becomes the piece.
    splits.every((pattern) => KNOWN_SPLITS.has(pattern)) &&
    // NFKC can turn one character into 18.
    unicodeForm === undefined &&
    addedLength <= maxAddedLength
  );
}
