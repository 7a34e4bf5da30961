/**
 * The GPT-2 byte alphabet: 256 printable characters, one for each byte, in which byte-level
 * vocabularies spell their tokens. Bytes 21-7E, A1-AC and AE-FF stand for themselves; the other 68
 * take U+0100, U+0101, ... in order (spec 2.4). Knows nothing of vocabularies or merges.
 */

const CHAR_OF_BYTE = buildAlphabet();
const BYTE_OF_CODE = invertAlphabet();
const ENCODER = new TextEncoder();

function buildAlphabet(): string[] {
  const chars: string[] = [];
  let nextSpare = 0x100;
  for (let byte = 0; byte < 256; byte++) {
    const printable =
      (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    chars.push(String.fromCharCode(printable ? byte : nextSpare++));
  }
  return chars;
}

function invertAlphabet(): Int16Array {
  const bytes = new Int16Array(0x100 + 68).fill(-1);
  for (const [byte, char] of CHAR_OF_BYTE.entries()) bytes[char.charCodeAt(0)] = byte;
  return bytes;
}

/** The character that stands for `byte` (0-255). */
export function alphabetChar(byte: number): string {
  return CHAR_OF_BYTE[byte] ?? "";
}

/** Whether each byte alone is a token. */
export function hasAllBytes(idOf: ReadonlyMap<string, number>): boolean {
  return CHAR_OF_BYTE.every((char) => idOf.has(char));
}

/** All bytes in the order of their characters, in which GPT-2 and the Rust trainer number them. */
export function bytesInAlphabetOrder(): Uint8Array {
  const code = (byte: number): number => alphabetChar(byte).charCodeAt(0);
  return Uint8Array.from({ length: 256 }, (_, byte) => byte).toSorted((a, b) => code(a) - code(b));
}

/** `bytes` spelled in the alphabet. */
export function spellBytes(bytes: Uint8Array): string {
  let spelling = "";
  for (const byte of bytes) spelling += CHAR_OF_BYTE[byte];
  return spelling;
}

/** Whether `spelling` is of the alphabet: then its bytes stand in `bytes` from `at` on. */
function unspellInto(spelling: string, bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < spelling.length; i++) {
    const byte = BYTE_OF_CODE[spelling.charCodeAt(i)] ?? -1;
    if (byte < 0) return false;
    bytes[at + i] = byte;
  }
  return true;
}

/** The bytes that `spelling` stands for, or undefined if a character is outside the alphabet. */
export function unspellBytes(spelling: string): Uint8Array | undefined {
  const bytes = new Uint8Array(spelling.length);
  return unspellInto(spelling, bytes, 0) ? bytes : undefined;
}

/** Writes the bytes that a token stands for into `bytes` from `at` on, where they have room, and returns how many. */
export type WriteToken = (token: string, bytes: Uint8Array, at: number) => number;

/**
 * The bytes a token decodes to. A token string with any character outside the alphabet is its own
 * text, as in the byte-level decoder of the Rust `tokenizers`; special tokens follow the same rule.
 */
export const writeToken: WriteToken = (token, bytes, at) =>
  unspellInto(token, bytes, at)
    ? token.length
    : ENCODER.encodeInto(token, bytes.subarray(at)).written;
