/**
 * White space and text length as Python defines them, where JavaScript differs. The harness is written in Python, and
 * its figures depend on them. Knows texts.
 */

/** `str.isspace` of Python 3: unlike `\s` of JavaScript with U+001C..1F and U+0085, without U+FEFF. */
const space = String.raw`\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000`;
const spacesAtBegin = new RegExp(`^[${space}]+`);
const runOfSpaces = new RegExp(`[${space}]+`);
const isSpace = new RegExp(`^[${space}]$`);

/** The text without white space at its end. Scans from the end, because a pattern would be tried from every space. */
export function pythonTrimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && isSpace.test(text[end - 1]!)) end--;
  return text.slice(0, end);
}

export function pythonTrimStart(text: string): string {
  return text.replace(spacesAtBegin, "");
}

export function pythonStrip(text: string): string {
  return pythonTrimEnd(pythonTrimStart(text));
}

/** `len(re.split(r"\s+", text))`: one more than the runs of white space, those at the ends included. */
export function countWords(text: string): number {
  return text.split(runOfSpaces).length;
}

/** Characters as Python counts them: code points. */
export function numCharacters(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

const encoder = new TextEncoder();

/** UTF-8 bytes. */
export function numBytes(text: string): number {
  return encoder.encode(text).length;
}
