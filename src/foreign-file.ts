/**
 * Recognises files of a wrong kind by their first bytes, so that an error can say what the file is. Open to all
 * folders, as `errors.ts` is. Knows first bytes only; not files, and none of our own formats.
 */
import { FormatError } from "./errors.ts";

/** First bytes that are needed to recognise a file. */
export const FOREIGN_HEAD_BYTES = 64;

const GIT_LFS_ADVICE =
  "it stands for the file, whose bytes are elsewhere; fetch them with `git lfs pull`, or download the file again";

const GGUF_ADVICE = "it is a model by itself: give its own path where a model is asked for";

/** First bytes, in Latin-1, of each kind. Sources: the formats' own specifications. */
const signatures: readonly (readonly [begin: string, kind: string, advice: string])[] = [
  ["version https://git-lfs.github.com/spec/", "a git-LFS pointer", GIT_LFS_ADVICE],
  ["version https://hawser.github.com/spec/", "a git-LFS pointer", GIT_LFS_ADVICE],
  ["\x1f\x8b\x08", "compressed with gzip", "decompress it (gunzip)"],
  ["\x28\xb5\x2f\xfd", "compressed with zstd", "decompress it (unzstd)"],
  ["\xfd7zXZ\0", "compressed with xz", "decompress it (unxz)"],
  ["BZh91AY&SY", "compressed with bzip2", "decompress it (bunzip2)"],
  ["PK\x03\x04", "a ZIP archive", "unpack it"],
  ["7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it"],
  // With the version or a length after the letters: letters alone could begin a text.
  ["GGUF\x02\0", "a GGUF file", GGUF_ADVICE],
  ["GGUF\x03\0", "a GGUF file", GGUF_ADVICE],
  ["PAR1\x15", "a Parquet file", "convert it to JSON lines"],
  ["%PDF-1.", "a PDF file", "extract its text"],
  // UTF-32 comes before UTF-16, because its byte order mark begins with the same two bytes.
  ["\xff\xfe\0\0", "UTF-32 text", "convert it (iconv -f utf-32 -t utf-8)"],
  ["\0\0\xfe\xff", "UTF-32 text", "convert it (iconv -f utf-32 -t utf-8)"],
  ["\xff\xfe", "UTF-16 text", "convert it (iconv -f utf-16 -t utf-8)"],
  ["\xfe\xff", "UTF-16 text", "convert it (iconv -f utf-16 -t utf-8)"],
];

/** Throws `FormatError` with the kind and what to do if `head` begins a file of one of these kinds. */
export function refuseForeign(file: string, head: Uint8Array, expected: string): void {
  const begin = String.fromCharCode(...head.subarray(0, FOREIGN_HEAD_BYTES));
  const found = signatures.find(([signature]) => begin.startsWith(signature));
  if (found === undefined) return;
  const [, kind, advice] = found;
  throw new FormatError(`${file} is ${kind}, expected ${expected}; ${advice}`);
}
