/**
 * The blocks in which GGML keeps numbers: 32 or 256 of them as small integers, with scales. Every format here is read as
 * runs of 32 or 16 numbers, value = code * scale + offset. Codes are whole, scales and offsets are floats, so that
 * whoever multiplies packed weights can take them as they are. Knows nothing of tensors or files.
 *
 * Source of the layouts: the structs `block_q4_0` to `block_q6_K` of ggml-common.h, little endian:
 *
 *   Q4_0  f16 d, 16 bytes q                               (q - 8) * d
 *   Q4_1  f16 d, f16 m, 16 bytes q                        q * d + m
 *   Q5_0  f16 d, 4 bytes high bits, 16 bytes q            (q - 16) * d
 *   Q5_1  f16 d, f16 m, 4 bytes high bits, 16 bytes q     q * d + m
 *   Q8_0  f16 d, 32 signed bytes q                        q * d
 *   Q4_K  f16 d, f16 dmin, 12 bytes s, 128 bytes q        q * (d * scale) - dmin * min
 *   Q5_K  as Q4_K, with 32 bytes of high bits before q
 *   Q6_K  128 bytes q, 64 bytes high bits, 16 signed bytes s, f16 d    (q - 32) * (d * s)
 */
import { f16Values } from "./f16.ts";
import {
  type GgmlBlockShape,
  type GgmlBlockType,
  ggmlTypes,
  packingOf,
  QUANTIZED_BLOCK,
  type QuantizedBlocks,
} from "./block-types.ts";

/** Numbers that were unpacked and not yet multiplied. Room for one block of any format. */
export interface GgmlRuns {
  readonly codes: Int8Array;
  /** A run each. Products of a scale and a code are exact in float32. */
  readonly scales: Float32Array;
  /** -0 where the format has none: added to any number, it changes no bit. */
  readonly offsets: Float32Array;
}

/**
 * Unpacks the block that begins at byte `at`. Codes have as many bits as the type; they are signed where it has no
 * offsets.
 */
type Unpack = (bytes: Uint8Array, at: number, into: GgmlRuns) => void;

/** Types of 32 numbers: `d`, then `m` if they have offsets, then the high bits of 5-bit codes, then the codes. */
function smallBlock({ bits, hasOffsets }: GgmlBlockShape): Unpack {
  const least = hasOffsets ? 0 : -(2 ** (bits - 1));
  const codesAt = (hasOffsets ? 4 : 2) + (bits === 5 ? 4 : 0);
  return (bytes, at, { codes, scales, offsets }) => {
    scales[0] = f16At(bytes, at);
    offsets[0] = hasOffsets ? f16At(bytes, at + 2) : -0;
    const high = bits === 5 ? u32At(bytes, at + codesAt - 4) : 0;
    for (let i = 0; i < 16; i++) {
      const byte = bytes[at + codesAt + i]!;
      codes[i] = ((byte & 15) | (((high >>> i) & 1) << 4)) + least;
      codes[i + 16] = ((byte >>> 4) | (((high >>> (i + 16)) & 1) << 4)) + least;
    }
  };
}

const q8: Unpack = (bytes, at, { codes, scales, offsets }) => {
  scales[0] = f16At(bytes, at);
  offsets[0] = -0;
  // An Int8Array keeps the sign.
  for (let i = 0; i < 32; i++) codes[i] = bytes[at + 2 + i]!;
};

/** Q4_K and Q5_K: eight runs of 32, whose scales and minima are whole numbers of 6 bits. */
function largeBlock({ bits }: GgmlBlockShape): Unpack {
  const codesAt = bits === 5 ? 48 : 16;
  return (bytes, at, { codes, scales, offsets }) => {
    const d = f16At(bytes, at);
    const dmin = f16At(bytes, at + 2);
    for (let run = 0; run < 8; run++) {
      const [scale, min] = sixBits(bytes, at + 4, run);
      scales[run] = d * scale;
      offsets[run] = -(dmin * min);
    }
    // Two runs share 32 bytes: the first has their low halves. The 32 bytes of high bits have a bit for each run.
    for (let run = 0; run < 8; run++)
      for (let i = 0; i < 32; i++) {
        const byte = bytes[at + codesAt + (run >>> 1) * 32 + i]!;
        const low = (run & 1) === 0 ? byte & 15 : byte >>> 4;
        const high = bits === 5 ? (bytes[at + 16 + i]! >>> run) & 1 : 0;
        codes[run * 32 + i] = low | (high << 4);
      }
  };
}

/** Scale and minimum of a run: the first four have their bits together, the others' upper two lie in the first's. */
function sixBits(bytes: Uint8Array, at: number, run: number): readonly [number, number] {
  const [scale, min] = [bytes[at + (run & 3)]!, bytes[at + 4 + (run & 3)]!];
  if (run < 4) return [scale & 63, min & 63];
  const both = bytes[at + 4 + run]!;
  return [(both & 15) | ((scale >>> 6) << 4), (both >>> 4) | ((min >>> 6) << 4)];
}

const q6k: Unpack = (bytes, at, { codes, scales, offsets }) => {
  const d = f16At(bytes, at + 208);
  for (let run = 0; run < 16; run++) {
    scales[run] = d * ((bytes[at + 192 + run]! << 24) >> 24);
    offsets[run] = -0;
  }
  // Halves of 128 numbers are four rows of 32. Rows 0 and 2 share 32 bytes of low bits, and so do 1 and 3; all four
  // share 32 bytes of high bits.
  for (let row = 0; row < 8; row++) {
    const half = row >>> 2;
    for (let i = 0; i < 32; i++) {
      const byte = bytes[at + half * 64 + (row & 1) * 32 + i]!;
      const low = (row & 2) === 0 ? byte & 15 : byte >>> 4;
      const high = (bytes[at + 128 + half * 32 + i]! >>> (2 * (row & 3))) & 3;
      codes[row * 32 + i] = (low | (high << 4)) - 32;
    }
  }
};

export const unpackBlock: Readonly<Record<GgmlBlockType, Unpack>> = {
  Q4_0: smallBlock(ggmlTypes.Q4_0),
  Q4_1: smallBlock(ggmlTypes.Q4_1),
  Q5_0: smallBlock(ggmlTypes.Q5_0),
  Q5_1: smallBlock(ggmlTypes.Q5_1),
  Q8_0: q8,
  Q4_K: largeBlock(ggmlTypes.Q4_K),
  Q5_K: largeBlock(ggmlTypes.Q5_K),
  Q6_K: q6k,
};

/** Room for one block of any format. */
export function ggmlRuns(): GgmlRuns {
  return {
    codes: new Int8Array(256),
    scales: new Float32Array(16),
    offsets: new Float32Array(16),
  };
}

/** Decodes the blocks of `into.length` numbers, whole blocks. Exact: one rounding a number, as GGML's own loops. */
export function decodeGgmlBlocks(type: GgmlBlockType, bytes: Uint8Array, into: Float32Array): void {
  const { values, run, bytes: size } = ggmlTypes[type];
  const unpack = unpackBlock[type];
  const runs = ggmlRuns();
  const { codes, scales, offsets } = runs;
  for (let block = 0, at = 0; block < into.length; block += values, at += size) {
    unpack(bytes, at, runs);
    for (let i = 0; i < values; i += run) {
      const scale = scales[i / run]!;
      const offset = offsets[i / run]!;
      // The product and its sum with an offset are exact in float64; only the store rounds.
      for (let j = i; j < i + run; j++) into[block + j] = codes[j]! * scale + offset;
    }
  }
}

/**
 * The blocks of `count` numbers in the form that is multiplied without being unpacked; of a type that
 * has a packing (`packingOf`).
 * Stands for the same numbers; where codes of 4 bits have offsets, these are rounded to float32 once more.
 */
export function packGgmlBlocks(
  type: GgmlBlockType,
  bytes: Uint8Array,
  count: number,
): QuantizedBlocks {
  const { values, bytes: size } = ggmlTypes[type];
  const unpack = unpackBlock[type];
  const { bits, hasOffsets } = packingOf(type)!;
  const zero = 2 ** (bits - 1);
  // Codes from 0 on, of which the half of 16 is taken away again.
  const shift = hasOffsets && bits === 4 ? 0 : zero;
  const codes = new Uint8Array((count * bits) / 8);
  const scales = new Float32Array(count / QUANTIZED_BLOCK);
  const offsets = hasOffsets ? new Float32Array(scales.length) : undefined;
  const runs = ggmlRuns();
  const runsOfBlock = values / QUANTIZED_BLOCK;
  for (let run = 0, at = 0; run < scales.length; run += runsOfBlock, at += size) {
    unpack(bytes, at, runs);
    const from = run * QUANTIZED_BLOCK;
    if (bits === 8) for (let i = 0; i < values; i++) codes[from + i] = runs.codes[i]! + shift;
    else
      for (let i = 0; i < values; i += 2)
        codes[(from + i) >>> 1] = (runs.codes[i]! + shift) | ((runs.codes[i + 1]! + shift) << 4);
    for (let i = 0; i < runsOfBlock; i++) {
      const scale = runs.scales[i]!;
      scales[run + i] = scale;
      if (offsets !== undefined) offsets[run + i] = runs.offsets[i]! + (zero - shift) * scale;
    }
  }
  return { bits, codes, scales, ...(offsets && { offsets }) };
}

function f16At(bytes: Uint8Array, at: number): number {
  return f16Values()[bytes[at]! | (bytes[at + 1]! << 8)]!;
}

function u32At(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}
