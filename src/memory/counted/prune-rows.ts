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
import { headBytes, SINGLE, successorBytes, varintBytes } from "./row-bytes.ts";
import { OpenSegment, type TakeSegment } from "./write-rows.ts";
import { RowGroups, type RowVisitor, WrittenRow } from "./written-rows.ts";

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

/** Measures rows: which least gain prunes them to a size, and what each gains. */
export class RowGains implements RowVisitor {
  readonly #rowBytes = new Float64Array(numSteps);
  readonly #contexts = new Float64Array(numSteps);
  readonly #discounts: Float64Array;
  readonly #vocabSize: number;
  readonly #take: TakeSteps;
  readonly #groups = new RowGroups();
  readonly #row: WrittenRow;
  /** By depth and id, for the row visited last. The longest contexts' are not asked for. */
  readonly #chances: readonly Float64Array[];
  #gains = new Float64Array(64);
  #sizes = new Uint8Array(64);
  #piece = new Uint16Array(PIECE);
  #numSteps = 0;

  constructor({ order, vocabSize, discounts, unigrams }: CountedTotals, take: TakeSteps) {
    this.#discounts = discounts;
    this.#vocabSize = vocabSize;
    this.#take = take;
    this.#row = new WrittenRow(vocabSize);
    this.#chances = Array.from({ length: order - 1 }, () => new Float64Array(vocabSize));
    this.#chances[0]!.set(unigramChances(unigrams, discounts[0]!));
  }

  /** Segments come in the order in which they were written (`RowCount`). */
  add(segment: Uint8Array): void {
    this.#groups.add(segment, this.#row, this);
  }

  /** Hands out the last steps. Call after the last segment. */
  finish(): void {
    if (this.#numSteps > 0) this.#take(this.#piece.subarray(0, this.#numSteps));
    this.#numSteps = 0;
  }

  visit(bytes: Uint8Array, from: number): void {
    const row = this.#row;
    const depth = row.open(bytes, from);
    const discount = this.#discounts[depth]!;
    const shorter = this.#chances[depth - 1]!;
    const own = depth < this.#chances.length ? this.#chances[depth]! : undefined;
    const vocabSize = this.#vocabSize;
    if (row.isSingle) {
      const id = row.id();
      const [share, q] = [1 - discount, shorter[id]!];
      const chance = share + discount * q;
      if (own !== undefined) own[id] = chance;
      const gain = divergence(chance, (discount + share) * q);
      const size = successorBytes(1, vocabSize) - 1;
      const head = row.at - from - size;
      const step = stepOf(gain > 0 ? gain / (head + size) : 0);
      this.#rowBytes[step]! += head + size;
      if (depth > 1) this.#contexts[step]!++;
      if (this.#numSteps === PIECE) this.#openPiece(1);
      this.#piece[this.#numSteps++] = step;
      return;
    }
    const [listed, total] = [row.varint(), row.varint()];
    row.varint();
    if (this.#gains.length < listed) {
      this.#gains = new Float64Array(2 * listed);
      this.#sizes = new Uint8Array(2 * listed);
    }
    const [gains, sizes] = [this.#gains, this.#sizes];
    const rest = (discount * listed) / total;
    let successors = 0;
    for (let i = 0; i < listed; i++) {
      const id = row.id();
      const count = row.varint();
      const share = (count - discount) / total;
      const q = shorter[id]!;
      const chance = share + rest * q;
      if (own !== undefined) own[id] = chance;
      gains[i] = total * divergence(chance, (rest + share) * q);
      successors += sizes[i] = successorBytes(count, vocabSize);
    }
    // The head has the number of pruned successors; all is the upper bound.
    const head = headBytes(
      { total, distinct: 2 * listed, listed, isSingle: false },
      { depth, rest: successors, vocabSize },
    );
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

  /** The least gain with which rows take `bytes` at most, `sizeOf` them and that many contexts of several ids. */
  leastFor(bytes: number, sizeOf: (rowBytes: number, numContexts: number) => number): number {
    let [sumBytes, sumContexts] = [0, 0];
    for (let step = numSteps - 1; step >= 0; step--) {
      sumBytes += this.#rowBytes[step]!;
      sumContexts += this.#contexts[step]!;
      if (sizeOf(sumBytes, sumContexts) <= bytes) continue;
      if (step === numSteps - 1)
        throw new InvalidConfigError(
          `counts of this text take ${sizeOf(0, 0)} bytes without any row, got room for ${bytes}`,
        );
      return gainOf(step + 1);
    }
    return 0;
  }
}

/** Writes the rows with what saves at least so many nats a byte. */
export class RowPruner implements RowVisitor {
  readonly #least: number;
  readonly #steps: Iterator<Uint16Array>;
  readonly #segment: OpenSegment;
  readonly #groups = new RowGroups();
  readonly #row: WrittenRow;
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
    this.#row = new WrittenRow(of.vocabSize);
  }

  /** Segments come in the order in which they were written (`RowCount`). */
  add(segment: Uint8Array): void {
    this.#groups.add(segment, this.#row, this);
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
    const row = this.#row;
    const depth = row.open(bytes, from);
    const [listed, total] = [row.varint(), row.varint()];
    row.varint();
    const steps = this.#next;
    this.#next += listed;
    if (!isKept) return;
    const piece = this.#piece;
    let kept = 0;
    for (let i = 0; i < listed; i++) if (piece[steps + i]! >= least) kept++;
    if (kept === listed) {
      this.#copy(bytes, from, end);
      return;
    }
    if (depth > 1) this.#numContexts++;
    const successors = row.at;
    let rest = varintBytes(kept) + varintBytes(total) + varintBytes(listed - kept);
    for (let i = 0; i < listed; i++) {
      const at = row.at;
      row.skipSuccessor();
      if (piece[steps + i]! >= least) rest += row.at - at;
    }
    const segment = this.#segment;
    segment.reserve(end - from + 32);
    segment.append(bytes, from, from + row.contextBytes(depth));
    segment.varint(rest);
    segment.varint(kept);
    segment.varint(total);
    segment.varint(listed - kept);
    row.at = successors;
    for (let i = 0; i < listed; i++) {
      const at = row.at;
      row.skipSuccessor();
      if (piece[steps + i]! >= least) segment.append(bytes, at, row.at);
    }
  }

  #copy(bytes: Uint8Array, from: number, end: number): void {
    if ((bytes[from]! & (SINGLE - 1)) > 1) this.#numContexts++;
    this.#segment.reserve(end - from);
    this.#segment.append(bytes, from, end);
  }
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
