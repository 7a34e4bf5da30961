/** The part of one text that training does not see. Knows no files. */

/** Splits off a text's last tenth at the end of a line, so that neither part begins in mid-sentence. */
export function splitLastTenth(text: string): readonly [string, string] {
  const at = Math.floor(text.length * 0.9);
  const line = text.indexOf("\n", at);
  const cut = line < 0 || line === text.length - 1 ? wholeCharacters(text, at) : line + 1;
  return [text.slice(0, cut), text.slice(cut)];
}

/** `at`, or `at` - 1 where `at` would split a surrogate pair. */
function wholeCharacters(text: string, at: number): number {
  return (text.charCodeAt(at) & 0xfc00) === 0xdc00 ? at - 1 : at;
}
