/**
 * Seeded test data. One generator per case, so that a case draws the same numbers whatever runs
 * before it. Not for anything but tests: the generator is small, not good.
 */
import { type Shape, sizeOf, type Value, valueOf } from "../../src/tensor/index.ts";

export interface Draw {
  /** In [0, 1). */
  unit(): number;
  /** f32, normally distributed around 0. */
  normal(shape: Shape, deviation?: number): Value;
  /** f32 in [low, high). */
  uniform(shape: Shape, low: number, high: number): Value;
  /** f32 with magnitudes in [low, high) and either sign: away from zero. */
  signed(shape: Shape, low: number, high: number): Value;
  /** f32 multiples of a half, normally distributed: many ties; a quarter added, never near one. */
  halves(shape: Shape, deviation?: number): Value;
  /** i32 in 0 .. end-1. */
  ints(shape: Shape, end: number): Value;
  bools(shape: Shape): Value;
}

function fill(shape: Shape, next: () => number): Value {
  return valueOf(Float32Array.from({ length: sizeOf(shape) }, next), shape);
}

export function draw(seed: number): Draw {
  let state = Math.imul(seed + 1, 0x9e3779b1) >>> 0;
  // Marsaglia's xorshift32 (J. Stat. Softw. 8(14), 2003); a zero state would stay zero.
  if (state === 0) state = 1;
  const unit = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
  for (let i = 0; i < 8; i++) unit();
  // Box and Muller; 1 - unit() is never zero.
  const gauss = (): number => Math.sqrt(-2 * Math.log(1 - unit())) * Math.cos(2 * Math.PI * unit());
  return {
    unit,
    normal: (shape, deviation = 1) => fill(shape, () => deviation * gauss()),
    uniform: (shape, low, high) => fill(shape, () => low + (high - low) * unit()),
    signed: (shape, low, high) =>
      fill(shape, () => (low + (high - low) * unit()) * (unit() < 0.5 ? -1 : 1)),
    halves: (shape, deviation = 1) => fill(shape, () => Math.round(2 * deviation * gauss()) / 2),
    ints: (shape, end) =>
      valueOf(
        Int32Array.from({ length: sizeOf(shape) }, () => Math.floor(unit() * end)),
        shape,
      ),
    bools: (shape) =>
      valueOf(
        Uint8Array.from({ length: sizeOf(shape) }, () => (unit() < 0.5 ? 1 : 0)),
        shape,
      ),
  };
}
