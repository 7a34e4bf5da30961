/**
 * Which vocabularies encode in a time that grows with the text and nothing else, whatever the text is. Those may work
 * on the thread of whoever asks; of all others nobody knows how long their patterns take.
 */
import type { TokenizerDefinition } from "./definition.ts";
import { KNOWN_SPLITS } from "./pretokenize.ts";

/** Characters of all added tokens: at each place of a text every one of them may be tried. */
const maxAddedLength = 4096;

export function hasBoundedCost({ splits, addedTokens, unicodeForm }: TokenizerDefinition): boolean {
  const addedLength = addedTokens.reduce((sum, { text }) => sum + text.length, 0);
  return (
    splits !== undefined &&
    // Read one by one: at no place of a text does one of these go back over more than the run of characters that it
    // then takes as a piece.
    splits.every((pattern) => KNOWN_SPLITS.has(pattern)) &&
    // NFKC makes 18 characters of one.
    unicodeForm === undefined &&
    addedLength <= maxAddedLength
  );
}
