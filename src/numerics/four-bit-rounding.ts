/**
 * Rounds blocks of 32 numbers to codes of 4 bits: which of eight scales is best, and the codes. Knows nothing of tensors or
 * files.
 *
 * The step size is a compromise: with a larger one every number is rounded more coarsely, with a smaller one the largest numbers
 * are clipped. For each block, the divisor of `DIVISORS` with the least squared error is used. On the matrices of a trained
 * model the error is 16 % smaller than with amax/7, and 5 % smaller than with the largest number at -8; 24 more divisors gain
 * another 1 %. Because -7 and -8 are among the divisors, packing unpacked values again gives the same codes.
 *
 * A block is measured in whole numbers first: with u = value / largest in steps of 1/2^15 and m = largest / scale in steps of
 * 1/2^12, the upper 15 of the 32 bits of u m are value / scale in steps of 1/1024, modulo 32. Two tables say how far that
 * is from the nearest code, and which code that is. Where they are too coarse to decide, doubles do, so the outcome is that
 * of doubles alone, to the bit, in about half the time.
 */
import { roundToBf16 } from "./bf16.ts";
import { QUANTIZED_BLOCK } from "./block-types.ts";

/** The scale of a block is its largest number divided by one of these. */
const DIVISORS = [-7, -7.3, -7.6, -8, -8.4, -8.8, -9.2, -9.6] as const;

const STEPS = 1024;
const NUM_PLACES = 32 * STEPS;
const U = 2 ** 15;
const M = 2 ** 12;
const DROPPED = 32 - Math.log2(NUM_PLACES);

/** Squares in the table are in steps of 1/8192; the largest, of 9.7 that is cut at 7, is 7.3 and fits into 16 bits. */
const SQUARE = 8192;

/**
 * At most so far is a place from what it stands for: half a step of the table, of u times 9.7, and of m (0.00076). Distance to
 * the nearest code changes no faster, so the root of the sum E of 32 squares is off by at most d = sqrt(32) OFF; and E by
 * 2 d sqrt(E) + d^2, which is below OFF_SHARE E + d^2 / OFF_SHARE + d^2. The table's own rounding adds 16 / SQUARE.
 */
const OFF = 0.0008;
const OFF_SHARE = 0.004;
const OFF_MORE = 32 * OFF * OFF * (1 / OFF_SHARE + 1) + 16 / SQUARE;

/** In place of a code: two are about equally near. */
const UNSURE = 255;

const squares = new Uint16Array(NUM_PLACES);
const codeAt = new Uint8Array(NUM_PLACES);

/** At the first block, since most programs round none. */
function fillTables(): void {
  for (let i = 0; i < NUM_PLACES; i++) {
    const place = ((i < NUM_PLACES / 2 ? i : i - NUM_PLACES) + 0.5) / STEPS;
    const code = nearest(place);
    squares[i] = Math.min(65535, Math.round((place - code) ** 2 * SQUARE));
    codeAt[i] = nearest(place - OFF) === nearest(place + OFF) ? code + 8 : UNSURE;
  }
}

/** The code nearest to `exact`, halves up. */
function nearest(exact: number): number {
  return Math.max(-8, Math.min(7, Math.round(exact)));
}

const units = new Int32Array(QUANTIZED_BLOCK);
const scales = new Float64Array(DIVISORS.length);
const factors = new Int32Array(DIVISORS.length);
const errors = new Float64Array(DIVISORS.length);

/**
 * Writes the codes of the 32 numbers from `at` on, of which `largest` is the largest, two a byte, and returns their scale: 0 for
 * numbers so small that they are zero in every product of single precision.
 */
export function roundToFourBits(
  values: Float32Array,
  { at, largest, codes }: { at: number; largest: number; codes: Uint8Array },
): number {
  const first = at >>> 1;
  for (let i = 0; i < DIVISORS.length; i++)
    scales[i] = roundToBf16(Math.fround(largest / DIVISORS[i]!));
  if (Math.abs(scales[DIVISORS.length - 1]!) < 2 ** -120) {
    codes.fill(0x88, first, first + QUANTIZED_BLOCK / 2);
    return 0;
  }
  if (codeAt[0] === 0) fillTables();
  const perUnit = U / largest;
  for (let j = 0; j < QUANTIZED_BLOCK; j++)
    units[j] = ((values[at + j]! * perUnit + (U + 0.5)) | 0) - U;
  for (let i = 0; i < DIVISORS.length; i++) factors[i] = Math.round((largest / scales[i]!) * M);
  for (let i = 0; i < DIVISORS.length; i += 4) addErrors(i);
  const best = leastOf(values, at);
  const scale = scales[best]!;
  const factor = factors[best]!;
  for (let j = 0; j < QUANTIZED_BLOCK; j += 2) {
    let low = codeAt[Math.imul(units[j]!, factor) >>> DROPPED]!;
    let high = codeAt[Math.imul(units[j + 1]!, factor) >>> DROPPED]!;
    if (low === UNSURE) low = nearest(values[at + j]! / scale) + 8;
    if (high === UNSURE) high = nearest(values[at + j + 1]! / scale) + 8;
    codes[first + (j >>> 1)] = low | (high << 4);
  }
  return scale;
}

/** Of four scales at a time, which fit into registers. */
function addErrors(from: number): void {
  const m0 = factors[from]!;
  const m1 = factors[from + 1]!;
  const m2 = factors[from + 2]!;
  const m3 = factors[from + 3]!;
  let e0 = 0;
  let e1 = 0;
  let e2 = 0;
  let e3 = 0;
  for (let j = 0; j < QUANTIZED_BLOCK; j++) {
    const u = units[j]!;
    e0 = (e0 + squares[Math.imul(u, m0) >>> DROPPED]!) | 0;
    e1 = (e1 + squares[Math.imul(u, m1) >>> DROPPED]!) | 0;
    e2 = (e2 + squares[Math.imul(u, m2) >>> DROPPED]!) | 0;
    e3 = (e3 + squares[Math.imul(u, m3) >>> DROPPED]!) | 0;
  }
  errors[from] = e0 / SQUARE;
  errors[from + 1] = e1 / SQUARE;
  errors[from + 2] = e2 / SQUARE;
  errors[from + 3] = e3 / SQUARE;
}

/** Which scale has the least error; of equal ones, the first. */
function leastOf(values: Float32Array, at: number): number {
  let bound = Infinity;
  for (let i = 0; i < DIVISORS.length; i++) {
    const scale = scales[i]!;
    const atMost = (errors[i]! * (1 + OFF_SHARE) + OFF_MORE) * scale * scale;
    if (atMost < bound) bound = atMost;
  }
  let [best, others] = [-1, 0];
  for (let i = 0; i < DIVISORS.length; i++) {
    const scale = scales[i]!;
    if ((errors[i]! * (1 - OFF_SHARE) - OFF_MORE) * scale * scale > bound) errors[i] = Infinity;
    else if (best === -1) best = i;
    else others++;
  }
  if (others === 0) return best;
  let least = Infinity;
  for (let i = best; i < DIVISORS.length; i++) {
    if (errors[i] === Infinity) continue;
    const error = squaredError(values, { at, scale: scales[i]!, most: least });
    if (error < least) [best, least] = [i, error];
  }
  return best;
}

/** Added and taken away again, it rounds a small number to a whole one. */
const ROUNDING = 1.5 * 2 ** 52;

/** Some number from `most` on in place of one that is larger. Which of two equally near codes is taken does not change it. */
function squaredError(
  values: Float32Array,
  { at, scale, most }: { at: number; scale: number; most: number },
): number {
  const inverse = 1 / scale;
  // Four sums, as each addition waits for the one before it.
  let [sum0, sum1, sum2, sum3] = [0, 0, 0, 0];
  for (let i = at; i < at + QUANTIZED_BLOCK && sum0 + sum1 + (sum2 + sum3) < most; i += 4) {
    const off0 = offOf(values[i]!, inverse, scale);
    const off1 = offOf(values[i + 1]!, inverse, scale);
    const off2 = offOf(values[i + 2]!, inverse, scale);
    const off3 = offOf(values[i + 3]!, inverse, scale);
    sum0 += off0 * off0;
    sum1 += off1 * off1;
    sum2 += off2 * off2;
    sum3 += off3 * off3;
  }
  return sum0 + sum1 + (sum2 + sum3);
}

function offOf(value: number, inverse: number, scale: number): number {
  const code = value * inverse + ROUNDING - ROUNDING;
  return value - (code > 7 ? 7 : code < -8 ? -8 : code) * scale;
}
