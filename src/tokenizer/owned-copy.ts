/**
 * V8 keeps a slice of 13 or more characters as a reference to the original string. A map with one rare
 * word of a document as key would keep the whole document in memory. Knows nothing of pieces.
 */

const SLICE_LENGTH = 13;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The same text, copied. Lone surrogates become U+FFFD, as they do in UTF-8. */
export function ownedCopy(slice: string): string {
  return slice.length < SLICE_LENGTH ? slice : decoder.decode(encoder.encode(slice));
}
