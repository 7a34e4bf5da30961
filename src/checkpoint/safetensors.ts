/**
 * The safetensors file format: the header of a file of named tensors. Reads and writes header bytes
 * only; knows nothing of files, models or what a tensor is for. Sources: the format section of the
 * huggingface/safetensors README; the refusals below are part of the format.
 *
 *     offset   bytes  content
 *     0        8      N, the header's length: unsigned, little endian
 *     8        N      header: one JSON object in UTF-8, first byte "{", may end in spaces (0x20)
 *     8 + N    rest   the tensors' bytes, little endian, row-major, each directly after another
 *
 *     {"__metadata__": {"any": "text"},                        optional, text values only
 *      "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}
 *
 * `data_offsets` are begin (inclusive) and end (exclusive), counted from byte 8 + N. Shape [] is one
 * element; a shape with a 0 in it is none. Example, one F32 tensor "w" of shape [1] that holds 1.0:
 *
 *     0000  36 00 00 00 00 00 00 00  7b 22 77 22 3a 7b 22 64   N = 54, then {"w":{"d
 *     ...                                                      type":"F32","shape":[1],"data_offsets":[0,4]}}
 *     003e  00 00 80 3f                                        1.0
 *
 * Refused, each with the tensor and the numbers: a header over 100 MB or longer than the file; bytes
 * that are not JSON or not UTF-8; an unknown element type; a name that occurs twice; a span whose
 * length is not element size times shape; spans that overlap, leave a hole, or end before or after
 * the file does. What is written here also pads the header so that the data starts at a multiple of
 * 8, and puts wide elements first, so that every tensor can be viewed in place.
 */
import { FormatError, InvalidConfigError } from "../errors.ts";
import { isCount, isRecord, shown } from "../json-values.ts";
import { checkJsonNames } from "../json-names.ts";

/** Bytes of one element, by the name the format gives the type. */
export const elementBytes = {
  F64: 8,
  F32: 4,
  BF16: 2,
  F16: 2,
  I32: 4,
  U32: 4,
  I64: 8,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E8M0: 1,
  BOOL: 1,
} as const;

/** Element types a file may hold. */
export type FileDType = keyof typeof elementBytes;

/** Name, element type and shape of a tensor at rest. */
export interface TensorSpec {
  readonly name: string;
  readonly dtype: FileDType;
  readonly shape: readonly number[];
}

/** A tensor and the bytes of the file it takes: `begin` inclusive, `end` exclusive, from byte 0. */
export interface TensorSpan extends TensorSpec {
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  /** In order of position in the file. */
  readonly tensors: ReadonlyMap<string, TensorSpan>;
  readonly metadata: ReadonlyMap<string, string>;
  /** Where the first tensor's bytes lie: 8 + N. */
  readonly dataBegin: number;
  readonly fileBytes: number;
}

/** The limit of the reference implementation: larger is an attack or a mistake. */
export const maxHeaderBytes = 100_000_000;

const lengthBytes = 8;
const metadataKey = "__metadata__";

/**
 * How many bytes of a file of `fileBytes` bytes `parseHeader` needs, from its first eight.
 * Throws `FormatError` if that many cannot be a header.
 */
export function headerEnd(start: Uint8Array, fileBytes: number): number {
  if (fileBytes < lengthBytes || start.length < lengthBytes)
    throw new FormatError(
      `not a safetensors file: expected at least ${lengthBytes} bytes, got ${Math.min(fileBytes, start.length)}`,
    );
  const view = new DataView(start.buffer, start.byteOffset, lengthBytes);
  const length = view.getBigUint64(0, true);
  if (length > BigInt(maxHeaderBytes))
    throw new FormatError(
      `not a safetensors file: its header claims ${length} bytes, at most ${maxHeaderBytes} are allowed`,
    );
  const end = lengthBytes + Number(length);
  if (end > fileBytes)
    throw new FormatError(
      `safetensors file is truncated: the header ends at byte ${end}, the file at byte ${fileBytes}`,
    );
  return end;
}

/**
 * Reads the header from `bytes`, the first `headerEnd` bytes (or more) of a file that is `fileBytes`
 * long. Nothing of what is returned is unchecked. Throws `FormatError`.
 */
export function parseHeader(bytes: Uint8Array, fileBytes: number): SafetensorsHeader {
  const dataBegin = headerEnd(bytes, fileBytes);
  if (bytes.length < dataBegin)
    throw new FormatError(`header needs ${dataBegin} bytes of the file, got ${bytes.length}`);
  const entries = parseObject(bytes.subarray(lengthBytes, dataBegin));
  const metadata = new Map<string, string>();
  const spans: TensorSpan[] = [];
  for (const [name, entry] of Object.entries(entries)) {
    if (name === metadataKey) readMetadata(entry, metadata);
    else spans.push(readSpan(name, entry, dataBegin));
  }
  checkPacking(spans, dataBegin, fileBytes);
  return { tensors: new Map(spans.map((s) => [s.name, s])), metadata, dataBegin, fileBytes };
}

/**
 * Lays tensors out and writes the header for them. Returns the header's bytes, to stand at byte 0,
 * and where each tensor goes. The order in the file is by element size, then by name, so equal
 * contents give equal files. Throws `InvalidConfigError` for names or shapes no file can hold.
 */
export function layoutFile(
  specs: readonly TensorSpec[],
  metadata: Readonly<Record<string, string>> = {},
): { bytes: Uint8Array; header: SafetensorsHeader } {
  const ordered = specs.toSorted(
    (a, b) => elementBytes[b.dtype] - elementBytes[a.dtype] || compareText(a.name, b.name),
  );
  const entries: [string, unknown][] = [];
  const metadataEntries = Object.entries(metadata).toSorted(([a], [b]) => compareText(a, b));
  if (metadataEntries.length > 0) entries.push([metadataKey, jsonObject(metadataEntries)]);
  let at = 0;
  const offsets: { spec: TensorSpec; begin: number; end: number }[] = [];
  for (const spec of ordered) {
    const end = at + checkedBytes(spec);
    offsets.push({ spec, begin: at, end });
    const { dtype, shape } = spec;
    entries.push([spec.name, JSON.stringify({ dtype, shape, data_offsets: [at, end] })]);
    at = end;
  }
  checkNames(ordered);
  const json = new TextEncoder().encode(jsonObject(entries as [string, string][], true));
  const padded = Math.ceil(json.length / 8) * 8;
  if (padded > maxHeaderBytes)
    throw new InvalidConfigError(
      `${specs.length} tensors need a header of ${padded} bytes, at most ${maxHeaderBytes} fit; use more files`,
    );
  const dataBegin = lengthBytes + padded;
  const bytes = new Uint8Array(dataBegin).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, lengthBytes);
  const tensors = new Map(
    offsets.map(({ spec, begin, end }) => [
      spec.name,
      { ...spec, begin: dataBegin + begin, end: dataBegin + end },
    ]),
  );
  return {
    bytes,
    header: {
      tensors,
      metadata: new Map(metadataEntries),
      dataBegin,
      fileBytes: dataBegin + at,
    },
  };
}

/** Bytes of a tensor, or undefined if they are more than a number counts exactly. */
export function tensorBytes(dtype: FileDType, shape: readonly number[]): number | undefined {
  let bytes: number = elementBytes[dtype];
  if (shape.includes(0)) return 0;
  for (const d of shape) {
    bytes *= d;
    if (!Number.isSafeInteger(bytes)) return undefined;
  }
  return bytes;
}

/** "F32 [2,3]", as messages print it. */
export function formatSpec(spec: { dtype: FileDType; shape: readonly number[] }): string {
  return `${spec.dtype} [${spec.shape.join(",")}]`;
}

function parseObject(bytes: Uint8Array): Record<string, unknown> {
  if (bytes[0] !== 0x7b)
    throw new FormatError(
      `safetensors header: expected "{" as its first byte, got ${bytes[0] ?? "nothing"}`,
    );
  let text: string;
  let parsed: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new FormatError(`safetensors header is not JSON: ${(cause as Error).message}`, { cause });
  }
  checkJsonNames(text, "safetensors header");
  // It parsed and begins with "{": it is an object.
  return parsed as Record<string, unknown>;
}

function readMetadata(entry: unknown, into: Map<string, string>): void {
  if (!isRecord(entry))
    throw new FormatError(`safetensors ${metadataKey}: expected an object, got ${shown(entry)}`);
  for (const [key, value] of Object.entries(entry)) {
    if (typeof value !== "string")
      throw new FormatError(
        `safetensors ${metadataKey} ${JSON.stringify(key)}: expected text, got ${shown(value)}`,
      );
    into.set(key, value);
  }
}

function readSpan(name: string, entry: unknown, dataBegin: number): TensorSpan {
  const where = `tensor ${JSON.stringify(name)}`;
  if (!isRecord(entry)) throw new FormatError(`${where}: expected an object, got ${shown(entry)}`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== "string" || !Object.hasOwn(elementBytes, dtype))
    throw new FormatError(
      `${where}: element type ${shown(dtype)} is unknown; known are ${Object.keys(elementBytes).join(", ")}`,
    );
  if (!Array.isArray(shape) || !shape.every(isCount))
    throw new FormatError(`${where}: expected a shape of whole numbers, got ${shown(shape)}`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount))
    throw new FormatError(`${where}: expected two data_offsets, got ${shown(offsets)}`);
  const spec = { name, dtype: dtype as FileDType, shape: shape as number[] };
  const [begin, end] = offsets as [number, number];
  const want = tensorBytes(spec.dtype, spec.shape);
  if (end < begin || end - begin !== want)
    throw new FormatError(
      `${where}: ${formatSpec(spec)} takes ${want ?? "too many"} bytes, data_offsets [${begin},${end}] hold ${end - begin}`,
    );
  return { ...spec, begin: dataBegin + begin, end: dataBegin + end };
}

/** Sorts `spans` by position and checks that they cover the data exactly once. */
function checkPacking(spans: TensorSpan[], dataBegin: number, fileBytes: number): void {
  spans.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = dataBegin;
  let before = "the header";
  for (const span of spans) {
    const where = `tensor ${JSON.stringify(span.name)}`;
    if (span.begin !== at)
      throw new FormatError(
        span.begin < at
          ? `${where} begins at byte ${span.begin} but ${before} ends at ${at}: they overlap`
          : `${where} begins at byte ${span.begin} but ${before} ends at ${at}: a hole between them`,
      );
    if (span.end > fileBytes)
      throw new FormatError(
        `${where} ends at byte ${span.end} but the file at ${fileBytes}: it is truncated`,
      );
    at = span.end;
    before = where;
  }
  if (at !== fileBytes)
    throw new FormatError(
      `the last tensor ends at byte ${at} but the file at ${fileBytes}: ${fileBytes - at} bytes belong to no tensor`,
    );
}

function checkedBytes(spec: TensorSpec): number {
  const bytes = spec.shape.every(isCount) ? tensorBytes(spec.dtype, spec.shape) : undefined;
  if (bytes === undefined)
    throw new InvalidConfigError(
      `tensor "${spec.name}": ${formatSpec(spec)} is no shape a file can hold`,
    );
  return bytes;
}

function checkNames(specs: readonly TensorSpec[]): void {
  const seen = new Set<string>([metadataKey]);
  for (const { name } of specs) {
    if (seen.has(name))
      throw new InvalidConfigError(
        name === metadataKey
          ? `a tensor cannot be called ${metadataKey}: the format uses that name`
          : `two tensors are called "${name}"; a file needs one name each`,
      );
    if (!name.isWellFormed())
      throw new InvalidConfigError(`tensor name ${JSON.stringify(name)} is not valid Unicode`);
    seen.add(name);
  }
}

/** Objects are written by hand: a JavaScript object would move names like "7" to the front. */
function jsonObject(
  entries: readonly (readonly [string, string])[],
  valuesAreJson = false,
): string {
  return `{${entries
    .map(
      ([key, value]) => `${JSON.stringify(key)}:${valuesAreJson ? value : JSON.stringify(value)}`,
    )
    .join(",")}}`;
}

/** By UTF-16 code unit: the same everywhere, unlike a locale's order. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
