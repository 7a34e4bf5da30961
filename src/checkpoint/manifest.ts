/**
 * manifest.json: which files a directory was saved with, how long each is, and the CRC-32C of its bytes, part by
 * part, so that damage has a place. Reads and writes the text; opens no file and does not know what files hold.
 *
 *     {"version": 2,
 *      "files": {"config.json": {"bytes": 1225, "crc32c": ["0a1b2c3d"]},
 *                "model.safetensors": {"bytes": 4040416, "partBytes": 65536, "crc32c": ["…", …]}},
 *      "crc32c": "…"}
 *
 * Parts follow each other from byte 0 and have `partBytes` bytes, the last one what is left; without `partBytes`
 * there is one. The last key is the sum of `files` as JSON without spaces. Sums are eight hexadecimal digits.
 * Version 1, which checkpoints had, gives only sizes: `"files": {"state.json": 2211}`.
 */
import { FormatError } from "../errors.ts";
import { isCount, isRecord } from "../json-values.ts";
import { crc32c } from "../numerics/index.ts";
import { checkPlainName } from "./plain-name.ts";

export const manifestName = "manifest.json";

/** A file as it was saved. */
export interface FileRecord {
  readonly bytes: number;
  readonly partBytes: number;
  /** One for each part; undefined where only the size is known. */
  readonly sums: readonly number[] | undefined;
}

export type Manifest = ReadonlyMap<string, FileRecord>;

const LEAST_PART = 1 << 16;
const MOST_PARTS = 4096;

/** Bytes of a part in a file of so many: a power of two, so that a file has no more than 4,096. */
export function partBytesFor(fileBytes: number): number {
  let bytes = LEAST_PART;
  while (bytes * MOST_PARTS < fileBytes) bytes *= 2;
  return bytes;
}

export function formatManifest(manifest: Manifest): string {
  const files = Object.fromEntries(
    [...manifest].map(([name, record]) => [name, recordToJson(record)]),
  );
  const lines = Object.entries(files).map(([name, file]) => `  ${quote(name)}: ${quote(file)}`);
  return `{\n "version": 2,\n "files": {\n${lines.join(",\n")}\n },\n "crc32c": "${sumOf(files)}"\n}\n`;
}

/** Throws `FormatError`, which begins with `path`, for what no writer of ours has left. */
export function parseManifest(text: string, path: string): Manifest {
  let parsed: Record<string, unknown> | null;
  try {
    parsed = JSON.parse(text) as Record<string, unknown> | null;
  } catch (cause) {
    throw new FormatError(`${path} is not JSON: ${(cause as Error).message}`, { cause });
  }
  const { version, files, crc32c: sum } = { ...parsed };
  if (version !== 1 && version !== 2)
    throw new FormatError(`${path}: expected a manifest of version 1 or 2, got ${quote(version)}`);
  if (!isRecord(files)) throw new FormatError(`${path}: expected an object "files"`);
  if (version === 2 && sum !== sumOf(files))
    throw new FormatError(
      `${path}: expected the CRC-32C ${quote(sum)} of its list of files, found ${sumOf(files)}; the file is damaged`,
    );
  const manifest = new Map<string, FileRecord>();
  for (const [name, file] of Object.entries(files)) {
    const record = recordFromJson(version === 1 ? { bytes: file } : file);
    if (record === undefined)
      throw new FormatError(`${path}: expected size and sums of "${name}", got ${quote(file)}`);
    manifest.set(checkPlainName(name, path), record);
  }
  return manifest;
}

export function recordToJson({ bytes, partBytes, sums }: FileRecord): object {
  const isDivided = sums !== undefined && sums.length > 1;
  return { bytes, ...(isDivided && { partBytes }), ...(sums && { crc32c: sums.map(hexOfSum) }) };
}

/** Undefined for what is no record. */
export function recordFromJson(file: unknown): FileRecord | undefined {
  if (!isRecord(file)) return undefined;
  const { bytes, partBytes = bytes, crc32c: given } = file;
  if (!isCount(bytes) || !isCount(partBytes)) return undefined;
  if (given === undefined) return { bytes, partBytes, sums: undefined };
  if (!Array.isArray(given) || !given.every(isSum)) return undefined;
  if (given.length !== numParts({ bytes, partBytes })) return undefined;
  return { bytes, partBytes, sums: given.map((sum) => Number.parseInt(sum, 16)) };
}

/** An empty file has one part, too. */
export function numParts({ bytes, partBytes }: Pick<FileRecord, "bytes" | "partBytes">): number {
  return bytes === 0 ? 1 : Math.ceil(bytes / partBytes);
}

export function hexOfSum(sum: number): string {
  return sum.toString(16).padStart(8, "0");
}

function sumOf(files: object): string {
  return hexOfSum(crc32c(new TextEncoder().encode(JSON.stringify(files))));
}

function isSum(value: unknown): value is string {
  return typeof value === "string" && /^[0-9a-f]{8}$/.test(value);
}

function quote(value: unknown): string {
  return JSON.stringify(value) ?? "nothing";
}
