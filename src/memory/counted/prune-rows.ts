/**
 * Prunes counted rows: keeps the successors whose loss would cost the text the most log-likelihood per byte. Rows keep
 * their totals, so the probability of a pruned successor goes to the shorter context (`distributions.ts`). Knows rows
 * and probabilities; no files.
 *
 * A context occurs T times. A successor has probability p = a + rest q (a: its discounted share, q: its probability in
 * the shorter context), or p' = (rest + a) q if it is pruned. Pruning costs T times the divergence of (p', 1 - p') from
 * (p, 1 - p), in nats. (After Stolcke 1998, who treats back-off models and sums over all ids.) The bytes of a row's
 * head are charged to the successors that are kept with it.
 */
import { InvalidConfigError } from "../../errors.ts";
import { unigramChances } from "./distributions.ts";
import type { CountedTotals } from "./count-rows.ts";
import { idBytesOf, SINGLE, varintBytes } from "./row-bytes.ts";
import { OpenSegment, type TakeSegment } from "./write-rows.ts";
import { RowGroups, type RowVisitor, varintAt } from "./written-rows.ts";

/** What is kept: as much as fits into a size, or everything with at least this gain in nats per byte. */
export type Prune = { readonly bytes: number } | { readonly leastGain: number };

/** Candidates for the smallest gain: 32 per factor of two, from 2^-64 to 2^64. */
const STEPS = 32;
const numSteps = 128 * STEPS;
const stepOf = (gain: number): number =>
  Math.max(0, Math.min(numSteps - 1, Math.floor((Math.log2(gain) + 64) * STEPS)));
const gainOf = (step: number): number => 2 ** (step / STEPS - 64);

/** Takes pieces of what `RowGains` found, to keep: of each row the step of its gain, then those of its successors. */
export type TakeSteps = (steps: Uint16Array) => void;

/** Steps in a piece, unless one row has more. */
const PIECE = 2 ** 16;

/** What is left of rows when those of a smaller gain are pruned. */
export interface KeptRows {
  readonly leastGain: number;
  /** At most, and about. */
  readonly rowBytes: number;
  /** Of several ids. */
  readonly numContexts: number;
}

/** Measures rows: which least gain prunes them to a size, and what each gains. */
export class RowGains implements RowVisitor {
  readonly #rowBytes = new Float64Array(numSteps);
  readonly #contexts = new Float64Array(numSteps);
  readonly #discounts: Float64Array;
  readonly #idBytes: number;
  readonly #take: TakeSteps;
  readonly #groups: RowGroups;
  /** By depth and id, for the row visited last. The longest contexts' are not asked for. */
  readonly #chances: readonly Float64Array[];
  /** By depth, for the row visited last: the chance of its successor if that is single, else -1. */
  readonly #single: Float64Array;
  #gains = new Float64Array(64);
  #sizes = new Uint8Array(64);
  #piece = new Uint16Array(PIECE);
  #numSteps = 0;

  constructor({ order, vocabSize, discounts, unigrams }: CountedTotals, take: TakeSteps) {
    this.#discounts = discounts;
    this.#idBytes = idBytesOf(vocabSize);
    this.#take = take;
    this.#groups = new RowGroups(vocabSize, this);
    this.#chances = Array.from({ length: order - 1 }, () => new Float64Array(vocabSize));
    this.#chances[0]!.set(unigramChances(unigrams, discounts[0]!));
    this.#single = new Float64Array(order).fill(-1);
  }

  /** Segments come in the order in which they were written (`RowCount`). */
  add(segment: Uint8Array): void {
    this.#groups.add(segment);
  }

  /** Hands out the last steps. Call after the last segment. */
  finish(): void {
    if (this.#numSteps > 0) this.#take(this.#piece.subarray(0, this.#numSteps));
    this.#numSteps = 0;
  }

  visit(bytes: Uint8Array, from: number, end: number): void {
    const first = bytes[from]!;
    if (first >= SINGLE) this.#visitSingle(first - SINGLE, end - this.#idBytes, bytes);
    else this.#visitSeveral(bytes, from);
  }

  /** A row with one successor, which occurred once. Its chance is kept apart: most such rows belong to another of this kind. */
  #visitSingle(depth: number, at: number, bytes: Uint8Array): void {
    const idBytes = this.#idBytes;
    const discount = this.#discounts[depth]!;
    let q = this.#single[depth - 1]!;
    if (q < 0) q = this.#chances[depth - 1]![idAt(bytes, at, idBytes)]!;
    const share = 1 - discount;
    const chance = share + discount * q;
    this.#single[depth] = chance;
    const gain = divergence(chance, (discount + share) * q);
    const size = 1 + (depth + 1) * idBytes;
    const step = stepOf(gain > 0 ? gain / size : 0);
    this.#rowBytes[step]! += size;
    if (depth > 1) this.#contexts[step]!++;
    if (this.#numSteps === this.#piece.length) this.#openPiece(1);
    this.#piece[this.#numSteps++] = step;
  }

  #visitSeveral(bytes: Uint8Array, from: number): void {
    const idBytes = this.#idBytes;
    const depth = bytes[from]!;
    let at = from + 1 + depth * idBytes;
    while (bytes[at++]! >= 128);
    const listed = varintAt(bytes, at);
    at += varintBytes(listed);
    const total = varintAt(bytes, at);
    at += varintBytes(total) + 1;
    if (this.#gains.length < listed) {
      this.#gains = new Float64Array(2 * listed);
      this.#sizes = new Uint8Array(2 * listed);
    }
    const [gains, sizes] = [this.#gains, this.#sizes];
    const discount = this.#discounts[depth]!;
    const shorter = this.#chances[depth - 1]!;
    const single = this.#single[depth - 1]!;
    const own = depth < this.#chances.length ? this.#chances[depth]! : undefined;
    this.#single[depth] = -1;
    const rest = (discount * listed) / total;
    let successors = 0;
    for (let i = 0; i < listed; i++) {
      const id = idAt(bytes, at, idBytes);
      const count = varintAt(bytes, at + idBytes);
      const size = idBytes + varintBytes(count);
      at += size;
      const share = (count - discount) / total;
      const q = single < 0 ? shorter[id]! : single;
      const chance = share + rest * q;
      if (own !== undefined) own[id] = chance;
      gains[i] = total * divergence(chance, (rest + share) * q);
      sizes[i] = size;
      successors += size;
    }
    // The head has the number of pruned successors; all is the upper bound.
    const numbers = 2 * varintBytes(listed) + varintBytes(total);
    const head = 1 + depth * idBytes + varintBytes(numbers + successors) + numbers;
    const most = rowGain(gains, sizes, { size: listed, head });
    const mostStep = stepOf(most);
    this.#rowBytes[mostStep]! += head;
    if (depth > 1) this.#contexts[mostStep]!++;
    if (this.#numSteps + 1 + listed > this.#piece.length) this.#openPiece(1 + listed);
    const piece = this.#piece;
    piece[this.#numSteps++] = mostStep;
    for (let i = 0; i < listed; i++) {
      const step = stepOf(Math.min(most, gains[i]! / sizes[i]!));
      this.#rowBytes[step]! += sizes[i]!;
      piece[this.#numSteps++] = step;
    }
  }

  #openPiece(least: number): void {
    this.finish();
    this.#piece = new Uint16Array(Math.max(PIECE, least));
  }

  /** The least gain with which rows take `bytes` at most, `sizeOf` them and that many contexts of several ids; with both. */
  leastFor(bytes: number, sizeOf: (rowBytes: number, numContexts: number) => number): KeptRows {
    let [rowBytes, numContexts] = [0, 0];
    for (let step = numSteps - 1; step >= 0; step--) {
      const kept = { leastGain: gainOf(step + 1), rowBytes, numContexts };
      rowBytes += this.#rowBytes[step]!;
      numContexts += this.#contexts[step]!;
      if (sizeOf(rowBytes, numContexts) <= bytes) continue;
      if (step === numSteps - 1)
        throw new InvalidConfigError(
          `counts of this text take ${sizeOf(0, 0)} bytes without any row, got room for ${bytes}`,
        );
      return kept;
    }
    return { leastGain: 0, rowBytes, numContexts };
  }
}

/** Writes the rows with what saves at least so many nats a byte. */
export class RowPruner implements RowVisitor {
  readonly #least: number;
  readonly #steps: Iterator<Uint16Array>;
  readonly #segment: OpenSegment;
  readonly #idBytes: number;
  readonly #groups: RowGroups;
  #piece = new Uint16Array(0);
  #next = 0;
  #numContexts = 0;

  /** `steps` are those that `RowGains` handed out. */
  constructor(of: {
    vocabSize: number;
    leastGain: number;
    steps: Iterable<Uint16Array>;
    take: TakeSegment;
  }) {
    // Compares steps, not gains, so that exactly what was measured is kept.
    this.#least = stepOf(of.leastGain);
    this.#steps = of.steps[Symbol.iterator]();
    this.#segment = new OpenSegment(of.take);
    this.#idBytes = idBytesOf(of.vocabSize);
    this.#groups = new RowGroups(of.vocabSize, this);
  }

  /** Segments come in the order in which they were written (`RowCount`). */
  add(segment: Uint8Array): void {
    this.#groups.add(segment);
  }

  /** How many contexts of several ids are kept. Call after the last segment. */
  finish(): { numContexts: number } {
    this.#segment.close();
    return { numContexts: this.#numContexts };
  }

  visit(bytes: Uint8Array, from: number, end: number): void {
    if (this.#next === this.#piece.length) {
      this.#piece = this.#steps.next().value as Uint16Array<ArrayBuffer>;
      this.#next = 0;
    }
    const least = this.#least;
    const isKept = this.#piece[this.#next++]! >= least;
    if (bytes[from]! >= SINGLE) {
      if (isKept) this.#copy(bytes, from, end);
      return;
    }
    const idBytes = this.#idBytes;
    const depth = bytes[from]!;
    const context = from + 1 + depth * idBytes;
    let at = context;
    while (bytes[at++]! >= 128);
    const listed = varintAt(bytes, at);
    const steps = this.#next;
    this.#next += listed;
    if (!isKept) return;
    at += varintBytes(listed);
    const total = varintAt(bytes, at);
    at += varintBytes(total) + 1;
    const piece = this.#piece;
    const successors = at;
    let [kept, keptBytes] = [0, 0];
    for (let i = 0; i < listed; i++) {
      const size = idBytes + varintBytes(varintAt(bytes, at + idBytes));
      at += size;
      if (piece[steps + i]! < least) continue;
      kept++;
      keptBytes += size;
    }
    if (kept === listed) {
      this.#copy(bytes, from, end);
      return;
    }
    if (depth > 1) this.#numContexts++;
    const segment = this.#segment;
    segment.reserve(end - from + 32);
    segment.append(bytes, from, context);
    segment.varint(varintBytes(kept) + varintBytes(total) + varintBytes(listed - kept) + keptBytes);
    segment.varint(kept);
    segment.varint(total);
    segment.varint(listed - kept);
    at = successors;
    for (let i = 0; i < listed; i++) {
      const size = idBytes + varintBytes(varintAt(bytes, at + idBytes));
      if (piece[steps + i]! >= least) segment.append(bytes, at, at + size);
      at += size;
    }
  }

  #copy(bytes: Uint8Array, from: number, end: number): void {
    if ((bytes[from]! & (SINGLE - 1)) > 1) this.#numContexts++;
    this.#segment.reserve(end - from);
    this.#segment.append(bytes, from, end);
  }
}

function idAt(bytes: Uint8Array, at: number, idBytes: number): number {
  const id = bytes[at]! | (bytes[at + 1]! << 8);
  return idBytes === 3 ? id | (bytes[at + 2]! << 16) : id;
}

/** The largest gain a byte of the row's head together with its first successors. */
function rowGain(
  gains: Float64Array,
  sizes: Uint8Array,
  { size, head }: { size: number; head: number },
): number {
  let [gain, bytes, most] = [0, head, 0];
  for (let i = 0; i < size; i++) {
    gain += gains[i]!;
    bytes += sizes[i]!;
    if (gain > most * bytes) most = gain / bytes;
  }
  return most;
}

/** KL divergence of (q, 1 - q) from (p, 1 - p), p > q, in nats. */
function divergence(p: number, q: number): number {
  const rest = p < 1 ? (1 - p) * Math.log((1 - p) / (1 - q)) : 0;
  return Math.max(0, p * Math.log(p / q) + rest);
}
