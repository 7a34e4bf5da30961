/**
 * Bytes of table rows <-> floats. A format has its sizes and functions; nobody else asks which it is.
 * Rows are little endian and lie back to back. Knows nothing of tables, files or addresses.
 *
 *   f32   d float32                                              4 d bytes
 *   bf16  d bfloat16                                             2 d bytes
 *   fp8   d E4M3FN codes, then ceil(d/32) E8M0 scales            d + ceil(d/32) bytes
 */
import { InvalidConfigError, ShapeError } from "../errors.ts";
import { bf16OfBits, decodeFp8Blocks, encodeFp8Blocks, SCALE_BLOCK } from "../numerics/index.ts";

export interface RowFormat {
  readonly name: RowFormatName;
  /** Values per row, d. */
  readonly headDim: number;
  readonly rowBytes: number;
  /** Encodes whole rows: `values` is [rows, d]; the bytes go to the start of `into`. */
  encode(values: Float32Array, into: Uint8Array): void;
  /**
   * The memory of `values` as rows at rest, where they are the same bytes: reading into it is decoding.
   * Undefined where rows must be converted.
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

export type RowFormatName = "f32" | "bf16" | "fp8";

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
};

export const ROW_FORMAT_NAMES: readonly RowFormatName[] = ["f32", "bf16", "fp8"];

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

/** Codes and scales lie in one array. */
function fp8Row(scales: Uint8Array, codesAt: number, count: number) {
  return { scales, count, codesAt, scalesAt: codesAt + count };
}

export function isRowFormatName(name: string): name is RowFormatName {
  return Object.hasOwn(CODECS, name);
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
