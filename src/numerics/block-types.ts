/**
 * The kinds of blocks in which numbers are packed, and their sizes: ours, which are multiplied as they are, and GGML's by
 * name. What is in them, `quantized-blocks.ts` and `ggml-blocks.ts` know, which are only needed where there are some.
 */

/** Numbers that share a scale. */
export const QUANTIZED_BLOCK = 32;

export type QuantizedBits = 4 | 8;

export interface QuantizedBlocks {
  readonly bits: QuantizedBits;
  /** 8 / bits codes a byte. */
  readonly codes: Uint8Array;
  /** One scale a block. */
  readonly scales: Float32Array;
  /** Added to every number of a block. Only blocks of other formats have them (`packGgmlBlocks`). */
  readonly offsets?: Float32Array;
}

export type GgmlBlockType = "Q4_0" | "Q4_1" | "Q5_0" | "Q5_1" | "Q8_0" | "Q4_K" | "Q5_K" | "Q6_K";

export interface GgmlBlockShape {
  /** Numbers a block. */
  readonly values: number;
  readonly bytes: number;
  /** Numbers that share a scale. */
  readonly run: 16 | 32;
  readonly bits: 4 | 5 | 6 | 8;
  readonly hasOffsets: boolean;
}

const small = (bits: 4 | 5 | 8, hasOffsets: boolean): GgmlBlockShape => {
  return { values: 32, bytes: 4 * bits + (hasOffsets ? 4 : 2), run: 32, bits, hasOffsets };
};
const large = (bits: 4 | 5): GgmlBlockShape => {
  return { values: 256, bytes: 32 * bits + 16, run: 32, bits, hasOffsets: true };
};

/** By GGML's names. */
export const ggmlTypes: Readonly<Record<GgmlBlockType, GgmlBlockShape>> = {
  Q4_0: small(4, false),
  Q4_1: small(4, true),
  Q5_0: small(5, false),
  Q5_1: small(5, true),
  Q8_0: small(8, false),
  Q4_K: large(4),
  Q5_K: large(5),
  Q6_K: { values: 256, bytes: 210, run: 16, bits: 6, hasOffsets: false },
};

export function isBlockType(name: string): name is GgmlBlockType {
  return Object.hasOwn(ggmlTypes, name);
}

/** How `packGgmlBlocks` holds blocks: bits of a code, and whether they have offsets. */
export interface GgmlPacking {
  readonly bits: QuantizedBits;
  readonly hasOffsets: boolean;
}

/** Undefined for a type that it cannot hold. */
export function packingOf(type: GgmlBlockType): GgmlPacking | undefined {
  const { bits, run, hasOffsets } = ggmlTypes[type];
  return run === QUANTIZED_BLOCK ? { bits: bits === 4 ? 4 : 8, hasOffsets } : undefined;
}
