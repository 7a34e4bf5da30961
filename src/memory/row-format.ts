/**
 * Bytes of table rows <-> floats. A format has its sizes and functions, so no other code branches on its name. Rows
 * are little endian and lie back to back. Knows nothing of tables, files or addresses.
 *
 *   f32   d float32                                              4 d bytes
 *   bf16  d bfloat16                                             2 d bytes
 *   fp8   d E4M3FN codes, then ceil(d/32) E8M0 scales            d + ceil(d/32) bytes
 *   int8  d signed bytes, then one bf16 scale                    d + 2 bytes
 *   int4  ceil(d/2) bytes of two codes, low half first, then     ceil(d/2) + 2 ceil(d/32) bytes
 *         ceil(d/32) bf16 scales
 *
 * A scale belongs to 32 neighbouring values (the last run of a row may be shorter); in int8 to the whole row. With
 * one scale for a row, the row's largest value sets the step. At 8 bits a step is below 1 % of it, so more scales
 * would gain little. At 4 bits it is 14 % of it, and the largest of 32 normal values is about three quarters of the
 * largest of 256. Scales are bf16, because 8 bits of precision are enough (numerics/scaled-int.ts) and two more bytes
 * would be 11 % of a row of 16 values. A row of zeros is zero bytes in every format but fp8 (whose zero bytes are
 * zeros too).
 */
import { InvalidConfigError, ShapeError } from "../errors.ts";
import {
  bf16OfBits,
  decodeFp8Blocks,
  decodeInt4Run,
  decodeInt8Run,
  encodeFp8Blocks,
  encodeInt4Run,
  encodeInt8Run,
  SCALE_BLOCK,
  type ScaledIntPlace,
} from "../numerics/index.ts";

/** How one row is written as bytes. */
export interface RowFormat {
  readonly name: RowFormatName;
  /** Values per row, d. */
  readonly headDim: number;
  readonly rowBytes: number;
  /** Encodes whole rows: `values` is [rows, d]; the bytes go to the start of `into`. */
  encode(values: Float32Array, into: Uint8Array): void;
  /**
   * The memory of `values` as encoded rows, for formats in which both are the same bytes. Undefined for the others.
   */
  rowsOf(values: Float32Array): Uint8Array | undefined;
  /** Decodes whole rows from the start of `bytes`: `into` is [rows, d]. */
  decode(bytes: Uint8Array, into: Float32Array): void;
}

interface RowCodec {
  readonly isRaw?: boolean;
  readonly rowBytes: (headDim: number) => number;
  readonly encode: (values: Float32Array, into: Uint8Array, headDim: number) => void;
  readonly decode: (bytes: Uint8Array, into: Float32Array, headDim: number) => void;
}

export type RowFormatName = "f32" | "bf16" | "fp8" | "int8" | "int4";

const CODECS: Readonly<Record<RowFormatName, RowCodec>> = {
  f32: {
    isRaw: true,
    rowBytes: (d) => 4 * d,
    encode: (values, into) => into.set(bytesOf(values)),
    decode: (bytes, into) => bytesOf(into).set(bytes.subarray(0, into.byteLength)),
  },
  bf16: {
    rowBytes: (d) => 2 * d,
    encode: (values, into) => {
      const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
      for (let i = 0; i < bits.length; i++) {
        const code = bf16OfBits(bits[i]!);
        into[2 * i] = code;
        into[2 * i + 1] = code >>> 8;
      }
    },
    decode: (bytes, into) => {
      const bits = new Uint32Array(into.buffer, into.byteOffset, into.length);
      for (let i = 0; i < bits.length; i++)
        bits[i] = (bytes[2 * i]! << 16) | (bytes[2 * i + 1]! << 24);
    },
  },
  fp8: {
    rowBytes: (d) => d + Math.ceil(d / SCALE_BLOCK),
    encode: (values, into, d) => {
      const rowBytes = d + Math.ceil(d / SCALE_BLOCK);
      for (let at = 0, byte = 0; at < values.length; at += d, byte += rowBytes)
        encodeFp8Blocks(values, into, { ...fp8Row(into, byte, d), valuesAt: at });
    },
    decode: (bytes, into, d) => {
      const rowBytes = d + Math.ceil(d / SCALE_BLOCK);
      for (let at = 0, byte = 0; at < into.length; at += d, byte += rowBytes)
        decodeFp8Blocks(bytes, into, { ...fp8Row(bytes, byte, d), valuesAt: at });
    },
  },
  int8: {
    rowBytes: (d) => d + 2,
    encode: (values, into, d) =>
      eachInt8Row(values.length / d, d, (place) => encodeInt8Run(values, into, place)),
    decode: (bytes, into, d) =>
      eachInt8Row(into.length / d, d, (place) => decodeInt8Run(bytes, into, place)),
  },
  int4: {
    rowBytes: int4RowBytes,
    encode: (values, into, d) =>
      eachInt4Run(values.length / d, d, (place) => encodeInt4Run(values, into, place)),
    decode: (bytes, into, d) =>
      eachInt4Run(into.length / d, d, (place) => decodeInt4Run(bytes, into, place)),
  },
};

export const ROW_FORMAT_NAMES: readonly RowFormatName[] = ["f32", "bf16", "fp8", "int8", "int4"];

/** The format called `name` for rows of `headDim` values. Throws `InvalidConfigError` for others. */
export function rowFormat(name: string, headDim: number): RowFormat {
  if (!isRowFormatName(name))
    throw new InvalidConfigError(
      `rows are stored as ${ROW_FORMAT_NAMES.join(", ")}; "${name}" is none of them`,
    );
  if (!Number.isInteger(headDim) || headDim < 1)
    throw new InvalidConfigError(`a row has a positive number of values, got ${headDim}`);
  const codec: RowCodec = CODECS[name];
  const rowBytes = codec.rowBytes(headDim);
  return {
    name,
    headDim,
    rowBytes,
    rowsOf: (values) => (codec.isRaw ? bytesOf(values) : undefined),
    encode: (values, into) => {
      checkRows(values, into, { headDim, rowBytes });
      codec.encode(values, into, headDim);
    },
    decode: (bytes, into) => {
      checkRows(into, bytes, { headDim, rowBytes });
      codec.decode(bytes, into, headDim);
    },
  };
}

/** Codes and scales are in one array. */
function fp8Row(scales: Uint8Array, codesAt: number, count: number) {
  return { scales, count, codesAt, scalesAt: codesAt + count };
}

type WritablePlace = { -readonly [K in keyof ScaledIntPlace]: ScaledIntPlace[K] };

/** All runs share one place object: `visit` must not keep it. */
function eachInt8Row(rows: number, d: number, visit: (place: ScaledIntPlace) => void): void {
  const place: WritablePlace = { count: d, valuesAt: 0, codesAt: 0, scaleAt: d };
  for (let row = 0; row < rows; row++) {
    visit(place);
    place.valuesAt += d;
    place.codesAt += d + 2;
    place.scaleAt += d + 2;
  }
}

function int4RowBytes(d: number): number {
  return Math.ceil(d / 2) + 2 * Math.ceil(d / SCALE_BLOCK);
}

function eachInt4Run(rows: number, d: number, visit: (place: ScaledIntPlace) => void): void {
  const place: WritablePlace = { count: 0, valuesAt: 0, codesAt: 0, scaleAt: 0 };
  const rowBytes = int4RowBytes(d);
  for (let row = 0; row < rows; row++) {
    place.scaleAt = row * rowBytes + Math.ceil(d / 2);
    for (let from = 0; from < d; from += SCALE_BLOCK) {
      place.count = Math.min(SCALE_BLOCK, d - from);
      place.valuesAt = row * d + from;
      place.codesAt = row * rowBytes + from / 2;
      visit(place);
      place.scaleAt += 2;
    }
  }
}

export function isRowFormatName(name: unknown): name is RowFormatName {
  return typeof name === "string" && Object.hasOwn(CODECS, name);
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function checkRows(
  values: Float32Array,
  bytes: Uint8Array,
  { headDim, rowBytes }: { headDim: number; rowBytes: number },
): void {
  const rows = values.length / headDim;
  if (!Number.isInteger(rows) || bytes.length < rows * rowBytes)
    throw new ShapeError(
      `rows of ${headDim} values and ${rowBytes} bytes: got ${values.length} values and room for ` +
        `${bytes.length} bytes`,
    );
}
