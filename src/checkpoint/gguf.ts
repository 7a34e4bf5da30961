/**
 * The GGUF file format: settings and named tensors in one file. Reads header bytes only; knows nothing of models.
 * Source: docs/gguf.md of ggml-org/ggml; what gguf.cpp refuses is refused here.
 *
 *     4 bytes "GGUF", u32 version (2 or 3), u64 number of tensors, u64 number of settings; all little endian
 *     settings: a text (the key), u32 type, the value       a text: u64 length, UTF-8
 *     tensors: a text (the name), u32 number of sides, u64 each side, u32 type, u64 offset
 *     padding to `general.alignment` (32), then the tensors, each padded so; offsets count from here
 *
 * Sides come with the fastest first; here they are the other way round, as everywhere else.
 *
 * Refused, each with its name and the numbers: counts and lengths that the rest of the file cannot hold, a header over
 * 100 MB, types that are not known, keys and names that occur twice, texts that are not UTF-8, tensors that are not one
 * after another or end after the file, and bytes after the last.
 */
import { FormatError } from "../errors.ts";
import { type GgmlBlockType, ggmlTypes, isBlockType } from "../numerics/index.ts";
import { elementBytes, maxHeaderBytes } from "./safetensors.ts";

/** Types of numbers and blocks that are read here. */
export type GgufDType = "F32" | "F16" | "BF16" | GgmlBlockType;

export interface GgufTensor {
  readonly name: string;
  readonly dtype: GgufDType;
  /** Rows first. */
  readonly shape: readonly number[];
  /** Bytes of the file: `begin` inclusive, `end` exclusive. */
  readonly begin: number;
  readonly end: number;
}

export type GgufNumbers =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigUint64Array
  | BigInt64Array;

/** Whole numbers of 64 bits are numbers where a number holds them exactly. */
export type GgufValue = number | bigint | boolean | string | readonly string[] | GgufNumbers;

export interface GgufHeader {
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** In order of position in the file. */
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

/** GGML's types by their numbers. Those that are not read here are refused by these names. */
const tensorTypes: readonly string[] = (
  "F32 F16 Q4_0 Q4_1 4 5 Q5_0 Q5_1 Q8_0 Q8_1 Q2_K Q3_K Q4_K Q5_K Q6_K Q8_K IQ2_XXS IQ2_XS IQ3_XXS IQ1_S IQ4_NL " +
  "IQ3_S IQ2_S IQ4_XS I8 I16 I32 I64 F64 IQ1_M BF16 31 32 33 TQ1_0 TQ2_0 36 37 38 MXFP4"
).split(" ");

/** Types of settings by their numbers: how one is viewed. Texts and arrays are among them. */
const numberTypes: readonly ((new (buffer: ArrayBuffer) => GgufNumbers) | undefined)[] = [
  Uint8Array,
  Int8Array,
  Uint16Array,
  Int16Array,
  Uint32Array,
  Int32Array,
  Float32Array,
  Uint8Array,
  undefined,
  undefined,
  BigUint64Array,
  BigInt64Array,
  Float64Array,
];
const [BOOL, STRING, ARRAY] = [7, 8, 9];

const MAGIC = 0x46554747;
/** ggml's GGML_MAX_DIMS. */
const MAX_SIDES = 4;
/** Bytes of a setting and of a tensor whose texts are empty. */
const [LEAST_SETTING, LEAST_TENSOR] = [13, 24];

/** Thrown where the bytes at hand end before the header does. */
class Unfinished extends Error {}

export function isGguf(head: Uint8Array): boolean {
  return new TextDecoder("latin1").decode(head.subarray(0, 4)) === "GGUF";
}

/** By its name, where nobody has opened it. */
export function isGgufName(name: string): boolean {
  return name.toLowerCase().endsWith(".gguf");
}

/**
 * Reads the header from `bytes`, the beginning of a file that is `fileBytes` long; undefined if it takes more of them.
 * Throws `FormatError`.
 */
export function parseGguf(bytes: Uint8Array, fileBytes: number): GgufHeader | undefined {
  try {
    return parse(new Cursor(bytes, fileBytes), fileBytes);
  } catch (error) {
    if (!(error instanceof Unfinished)) throw error;
    if (bytes.length < Math.min(fileBytes, maxHeaderBytes)) return undefined;
    throw new FormatError(
      bytes.length >= fileBytes
        ? `the file is cut short: its header goes on after byte ${fileBytes}`
        : `its header is longer than ${maxHeaderBytes} bytes`,
    );
  }
}

function parse(at: Cursor, fileBytes: number): GgufHeader {
  if (at.u32() !== MAGIC)
    throw new FormatError(
      "it does not begin with GGUF, and a model is a directory or a GGUF file; give the path of one",
    );
  const version = at.u32();
  if (version !== 2 && version !== 3)
    throw new FormatError(
      version === 0x03000000 || version === 0x02000000
        ? "it is a big-endian GGUF file, expected a little-endian one"
        : `it is of GGUF version ${version}, expected 2 or 3; convert the model again`,
    );
  const numTensors = at.count("tensors", LEAST_TENSOR);
  const numSettings = at.count("settings", LEAST_SETTING);
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < numSettings; i++) {
    const key = at.text("a key");
    if (metadata.has(key)) throw new FormatError(`the setting "${key}" occurs twice`);
    metadata.set(key, readValue(at, key));
  }
  const alignment = metadata.get("general.alignment") ?? 32;
  if (typeof alignment !== "number" || alignment < 8 || Math.log2(alignment) % 1 !== 0)
    throw new FormatError(
      `general.alignment should be a power of two of 8 or more, it is ${String(alignment)}`,
    );
  const pad = (byte: number): number => Math.ceil(byte / alignment) * alignment;
  const infos = Array.from({ length: numTensors }, () => readTensor(at));
  const dataBegin = pad(at.position);
  const tensors = new Map<string, GgufTensor>();
  let offset = 0;
  for (const { offset: found, size, ...info } of infos) {
    const where = `tensor "${info.name}"`;
    if (tensors.has(info.name)) throw new FormatError(`${where} occurs twice`);
    if (found !== offset)
      throw new FormatError(
        `${where} begins at byte ${found} of the data, the one before it ends at ${offset}`,
      );
    const begin = dataBegin + offset;
    if (begin + size > fileBytes)
      throw new FormatError(
        `the file is cut short: ${where} ends at byte ${begin + size}, the file at ${fileBytes}`,
      );
    tensors.set(info.name, { ...info, begin, end: begin + size });
    offset = pad(offset + size);
  }
  if (fileBytes > dataBegin + offset)
    throw new FormatError(
      `${fileBytes - dataBegin - offset} bytes after the last tensor belong to none`,
    );
  return { metadata, tensors };
}

function readValue(at: Cursor, key: string): GgufValue {
  const type = at.u32();
  if (type === STRING) return at.text(`setting "${key}"`);
  if (type !== ARRAY) {
    const [value] = readNumbers(at, { type, count: 1, key });
    if (type === BOOL) return value !== 0;
    return typeof value === "bigint" && BigInt(Number(value)) === value ? Number(value) : value!;
  }
  const element = at.u32();
  const least = element === STRING ? 8 : (numberTypes[element]?.prototype.BYTES_PER_ELEMENT ?? 1);
  const count = at.count(`elements of "${key}"`, least);
  if (element !== STRING) return readNumbers(at, { type: element, count, key });
  return at.texts(count, (i) => `element ${i} of "${key}"`);
}

function readNumbers(
  at: Cursor,
  { type, count, key }: { type: number; count: number; key: string },
): GgufNumbers {
  const View = numberTypes[type];
  // Arrays of arrays are among these: nobody writes them.
  if (View === undefined)
    throw new FormatError(`setting "${key}" is of a type that is not known: ${type}`);
  return new View(at.copy(count * View.prototype.BYTES_PER_ELEMENT));
}

function readTensor(
  at: Cursor,
): Omit<GgufTensor, "begin" | "end"> & { offset: number; size: number } {
  const name = at.text("the name of a tensor");
  const where = `tensor "${name}"`;
  const numSides = at.u32();
  if (numSides > MAX_SIDES)
    throw new FormatError(`${where} has ${numSides} sides, at most ${MAX_SIDES} are allowed`);
  const shape = Array.from({ length: numSides }, () => at.u64(`a side of ${where}`)).toReversed();
  const type = at.u32();
  const offset = at.u64(`the offset of ${where}`);
  const dtype = tensorTypes[type] ?? String(type);
  if (!isRead(dtype))
    throw new FormatError(
      `${where} is of type ${dtype}, which is not read here; known are ${NUMBERS.join(", ")}, ` +
        Object.keys(ggmlTypes).join(", "),
    );
  const { values, bytes } = blockOf(dtype);
  const row = shape.at(-1) ?? 1;
  if (row % values !== 0)
    throw new FormatError(`${where}: rows of ${row} are no whole blocks of ${values} (${dtype})`);
  const size = shape.reduce((product, side) => product * side, bytes / values);
  if (!Number.isSafeInteger(size))
    throw new FormatError(`${where} of shape [${shape.join(", ")}] is larger than any file`);
  return { name, dtype, shape, offset, size };
}

const NUMBERS = ["F32", "F16", "BF16"] as const;

function isNumber(dtype: string): dtype is (typeof NUMBERS)[number] {
  return NUMBERS.some((one) => one === dtype);
}

function isRead(dtype: string): dtype is GgufDType {
  return isNumber(dtype) || isBlockType(dtype);
}

/** Numbers of a block of this type, and its bytes. */
function blockOf(dtype: GgufDType): { readonly values: number; readonly bytes: number } {
  return isNumber(dtype) ? { values: 1, bytes: elementBytes[dtype] } : ggmlTypes[dtype];
}

/** Reads forward. Nothing is allocated for what the rest of the file cannot hold. */
class Cursor {
  position = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #fileBytes: number;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

  constructor(bytes: Uint8Array, fileBytes: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#fileBytes = fileBytes;
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  u64(what: string): number {
    const value = this.#view.getBigUint64(this.#take(8), true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER))
      throw new FormatError(`${what} is ${value}, more than any file holds`);
    return Number(value);
  }

  /** As `count` of bytes. Most are small, and few are said. */
  #length(what: () => string): number {
    const at = this.position;
    if (at + 8 <= this.#bytes.length && this.#view.getUint32(at + 4, true) === 0) {
      const length = this.#view.getUint32(at, true);
      if (length <= this.#fileBytes - at - 8) {
        this.position = at + 8;
        return length;
      }
    }
    return this.count(what(), 1);
  }

  /** A number of things of at least `least` bytes each. */
  count(what: string, least: number): number {
    const count = this.u64(`the number of ${what}`);
    const rest = this.#fileBytes - this.position;
    if (count * least > rest)
      throw new FormatError(
        `it says that it has ${count} ${what}, the file has ${rest} bytes for them: it is cut short or damaged`,
      );
    return count;
  }

  text(what: string): string {
    const length = this.count(`bytes of ${what}`, 1);
    const at = this.#take(length);
    try {
      return this.#decoder.decode(this.#bytes.subarray(at, at + length));
    } catch (cause) {
      throw new FormatError(`${what} is not UTF-8`, { cause });
    }
  }

  /** As `count` calls of `text` would read them: a vocabulary has a hundred thousand. */
  texts(count: number, what: (i: number) => string): string[] {
    const begin = this.position;
    const starts = new Uint32Array(count + 1);
    let size = 0;
    for (let i = 0; i < count; i++) {
      const length = this.#length(() => `bytes of ${what(i)}`);
      size += length;
      this.#take(length);
      starts[i + 1] = size;
    }
    const all = new Uint8Array(size);
    // In UTF-16 units, like the text of all.
    const ends = new Uint32Array(count);
    let isWhole = true;
    let units = 0;
    for (let i = 0, at = begin; i < count; i++) {
      at += 8;
      const end = at + starts[i + 1]! - starts[i]!;
      // One that begins inside a character cannot be UTF-8, though the text of all may be.
      isWhole &&= at === end || (this.#bytes[at]! & 0xc0) !== 0x80;
      for (let to = starts[i]!; at < end; at++, to++) {
        const byte = this.#bytes[at]!;
        all[to] = byte;
        units += byte >= 0xf0 ? 2 : (byte & 0xc0) === 0x80 ? 0 : 1;
      }
      ends[i] = units;
    }
    let text: string | undefined;
    try {
      if (isWhole) text = this.#decoder.decode(all);
    } catch {
      // Which one is not, is found below.
    }
    if (text === undefined) {
      this.position = begin;
      return Array.from({ length: count }, (_, i) => this.text(what(i)));
    }
    const texts: string[] = [];
    for (let i = 0; i < count; i++) texts.push(text.slice(ends[i - 1] ?? 0, ends[i]));
    return texts;
  }

  copy(length: number): ArrayBuffer {
    const at = this.#take(length);
    return new Uint8Array(this.#bytes.subarray(at, at + length)).buffer;
  }

  #take(length: number): number {
    const at = this.position;
    if (at + length > this.#bytes.length) throw new Unfinished();
    this.position = at + length;
    return at;
  }
}
