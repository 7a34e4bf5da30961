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
import {
  headBytes,
  noHead,
  type RowHead,
  RowScanner,
  type RowWriter,
  successorBytes,
} from "./row-bytes.ts";

/** What is kept: as much as fits into a size, or everything with at least this gain in nats per byte. */
export type Prune = { readonly bytes: number } | { readonly leastGain: number };

/** Candidates for the smallest gain: 32 per factor of two, from 2^-64 to 2^64. */
const STEPS = 32;
const steps = 128 * STEPS;
const stepOf = (gain: number): number =>
  Math.max(0, Math.min(steps - 1, Math.floor((Math.log2(gain) + 64) * STEPS)));
const gainOf = (step: number): number => 2 ** (step / STEPS - 64);

/** Measures rows: which least gain prunes them to a size. */
export class RowGains {
  readonly #rowBytes = new Float64Array(steps);
  readonly #contexts = new Float64Array(steps);
  readonly #walk: RowWalk;

  constructor(totals: CountedTotals) {
    this.#walk = new RowWalk(totals, ({ depth, gains, sizes, size, head }) => {
      const [rowBytes, contexts] = [this.#rowBytes, this.#contexts];
      const most = rowGain(gains, sizes, { size, head });
      rowBytes[stepOf(most)]! += head;
      if (depth > 1) contexts[stepOf(most)]!++;
      for (let i = 0; i < size; i++)
        rowBytes[stepOf(Math.min(most, gains[i]! / sizes[i]!))]! += sizes[i]!;
    });
  }

  /** Segments come in the order in which they were written (`RowCount`). */
  add(segment: Uint8Array): void {
    this.#walk.add(segment);
  }

  /** The least gain with which rows take `bytes` at most, `sizeOf` them and that many contexts of several ids. */
  leastFor(bytes: number, sizeOf: (rowBytes: number, numContexts: number) => number): number {
    let [sumBytes, sumContexts] = [0, 0];
    for (let step = steps - 1; step >= 0; step--) {
      sumBytes += this.#rowBytes[step]!;
      sumContexts += this.#contexts[step]!;
      if (sizeOf(sumBytes, sumContexts) <= bytes) continue;
      if (step === steps - 1)
        throw new InvalidConfigError(
          `counts of this text take ${sizeOf(0, 0)} bytes without any row, got room for ${bytes}`,
        );
      return gainOf(step + 1);
    }
    return 0;
  }
}

/** Writes the rows with what saves at least so many nats a byte. */
export class RowPruner {
  readonly #writer: RowWriter;
  readonly #walk: RowWalk;
  #numContexts = 0;

  constructor(
    totals: CountedTotals,
    { leastGain, writer }: { leastGain: number; writer: RowWriter },
  ) {
    const counts = new Uint32Array(totals.vocabSize);
    // Compares steps, not gains, so that exactly what was measured is kept.
    const least = stepOf(leastGain);
    this.#writer = writer;
    this.#walk = new RowWalk(totals, (row) => {
      const { depth, context, gains, sizes, size, ids, head } = row;
      if (leastGain > 0 && stepOf(rowGain(gains, sizes, { size, head })) < least) return;
      let kept = 0;
      for (let i = 0; i < size; i++) {
        const id = ids[i]!;
        counts[id] = row.counts[i]!;
        if (leastGain === 0 || stepOf(gains[i]! / sizes[i]!) >= least) ids[kept++] = id;
      }
      if (depth > 1) this.#numContexts++;
      writer.write({
        depth,
        ids: context,
        place: depth,
        successors: ids,
        size: kept,
        counts,
        total: row.total,
        unlisted: size - kept,
      });
    });
  }

  /** Segments come in the order in which they were written (`RowCount`). */
  add(segment: Uint8Array): void {
    this.#walk.add(segment);
  }

  /** How many contexts of several ids are kept. Call after the last segment. */
  finish(): { numContexts: number } {
    this.#writer.finish();
    return { numContexts: this.#numContexts };
  }
}

interface RowToPrune {
  depth: number;
  /** The context, nearest id last. */
  readonly context: Uint32Array;
  size: number;
  total: number;
  /** Upper bound of the bytes of its head. */
  head: number;
  ids: Uint32Array;
  counts: Uint32Array;
  /** Nats saved by each successor, and its bytes. */
  gains: Float64Array;
  sizes: Uint8Array;
}

/** Visits rows, shorter contexts before the longer that end in them. Holds those of one last id. */
class RowWalk {
  readonly #discounts: Float64Array;
  readonly #vocabSize: number;
  readonly #visit: (row: RowToPrune) => void;
  readonly #scanner: RowScanner;
  readonly #head: RowHead = noHead();
  /** By depth and id, for the row visited last. */
  readonly #chances: readonly Float64Array[];
  readonly #row: RowToPrune;
  #starts: { bytes: Uint8Array; from: number }[] = [];

  constructor(
    { order, vocabSize, discounts, unigrams }: CountedTotals,
    visit: (row: RowToPrune) => void,
  ) {
    this.#discounts = discounts;
    this.#vocabSize = vocabSize;
    this.#visit = visit;
    this.#scanner = new RowScanner(vocabSize);
    this.#chances = Array.from({ length: order }, () => new Float64Array(vocabSize));
    this.#chances[0]!.set(unigramChances(unigrams, discounts[0]!));
    this.#row = {
      depth: 0,
      context: new Uint32Array(order),
      size: 0,
      total: 0,
      head: 0,
      ids: new Uint32Array(0),
      counts: new Uint32Array(0),
      gains: new Float64Array(64),
      sizes: new Uint8Array(64),
    };
  }

  add(bytes: Uint8Array): void {
    const scanner = this.#scanner;
    const into = { context: this.#row.context, head: this.#head };
    for (let from = 0; from < bytes.length;) {
      const depth = scanner.open(bytes, { from, to: bytes.length }, into);
      this.#starts.push({ bytes, from });
      from = scanner.end;
      // A row is read behind those that it is the context of. They end with the row of one id.
      if (depth > 1) continue;
      for (let i = this.#starts.length - 1; i >= 0; i--) this.#measure(this.#starts[i]!);
      this.#starts = [];
    }
  }

  #measure({ bytes, from }: { bytes: Uint8Array; from: number }): void {
    const [scanner, head, row, vocabSize] = [this.#scanner, this.#head, this.#row, this.#vocabSize];
    const depth = scanner.open(bytes, { from, to: bytes.length }, { context: row.context, head });
    scanner.readSuccessors(bytes, head);
    const { total, listed } = head;
    const discount = this.#discounts[depth]!;
    const rest = (discount * listed) / total;
    if (row.gains.length < listed) {
      row.gains = new Float64Array(2 * listed);
      row.sizes = new Uint8Array(2 * listed);
    }
    const [own, shorter] = [this.#chances[depth]!, this.#chances[depth - 1]!];
    let successors = 0;
    for (let i = 0; i < listed; i++) {
      const [id, count] = [scanner.ids[i]!, scanner.counts[i]!];
      const share = (count - discount) / total;
      const chance = (own[id] = share + rest * shorter[id]!);
      const without = (rest + share) * shorter[id]!;
      row.gains[i] = total * divergence(chance, without);
      const size = head.isSingle
        ? successorBytes(1, vocabSize) - 1
        : successorBytes(count, vocabSize);
      row.sizes[i] = size;
      successors += size;
    }
    row.depth = depth;
    row.size = listed;
    row.total = total;
    row.ids = scanner.ids;
    row.counts = scanner.counts;
    // The head has the number of pruned successors; all is the upper bound.
    row.head = headBytes({ ...head, distinct: 2 * listed }, { depth, rest: successors, vocabSize });
    this.#visit(row);
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
