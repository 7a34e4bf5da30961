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
import { headBytes, type RowHead, RowScanner, RowWriter, successorBytes } from "./row-bytes.ts";

/** What is kept: as much as fits into a size, or everything with at least this gain in nats per byte. */
export type Prune = { readonly bytes: number } | { readonly leastGain: number };

export interface RowsToPrune {
  readonly order: number;
  readonly vocabSize: number;
  readonly discounts: Float64Array;
  readonly unigrams: Uint32Array;
  /** Rows grouped by last id; a longer context comes before its shorter suffixes. */
  readonly segments: readonly Uint8Array[];
}

/** Candidates for the smallest gain: 32 per factor of two, from 2^-64 to 2^64. */
const STEPS = 32;
const steps = 128 * STEPS;
const stepOf = (gain: number): number =>
  Math.max(0, Math.min(steps - 1, Math.floor((Math.log2(gain) + 64) * STEPS)));
const gainOf = (step: number): number => 2 ** (step / STEPS - 64);

/** The least gain with which rows take `bytes` at most, `sizeOf` of them and of as many contexts of several ids. */
export function leastGainFor(
  rows: RowsToPrune,
  bytes: number,
  sizeOf: (rowBytes: number, numContexts: number) => number,
): number {
  const [rowBytes, contexts] = [new Float64Array(steps), new Float64Array(steps)];
  forEachRow(rows, ({ depth, gains, sizes, size, head }) => {
    const most = rowGain(gains, sizes, { size, head });
    rowBytes[stepOf(most)]! += head;
    if (depth > 1) contexts[stepOf(most)]!++;
    for (let i = 0; i < size; i++)
      rowBytes[stepOf(Math.min(most, gains[i]! / sizes[i]!))]! += sizes[i]!;
  });
  let [sumBytes, sumContexts] = [0, 0];
  for (let step = steps - 1; step >= 0; step--) {
    sumBytes += rowBytes[step]!;
    sumContexts += contexts[step]!;
    if (sizeOf(sumBytes, sumContexts) <= bytes) continue;
    if (step === steps - 1)
      throw new InvalidConfigError(
        `counts of this text take ${sizeOf(0, 0)} bytes without any row, got room for ${bytes}`,
      );
    return gainOf(step + 1);
  }
  return 0;
}

/** The rows with what saves at least so many nats a byte, and how many contexts of several ids have one. */
export function prunedRows(
  rows: RowsToPrune,
  leastGain: number,
): { segments: Uint8Array[]; numContexts: number } {
  const writer = new RowWriter(rows.vocabSize);
  const counts = new Uint32Array(rows.vocabSize);
  let numContexts = 0;
  // Compares steps, not gains, so that exactly what was measured is kept.
  const least = stepOf(leastGain);
  forEachRow(rows, (row) => {
    const { depth, context, gains, sizes, size, ids, head } = row;
    if (leastGain > 0 && stepOf(rowGain(gains, sizes, { size, head })) < least) return;
    let kept = 0;
    for (let i = 0; i < size; i++) {
      const id = ids[i]!;
      counts[id] = row.counts[i]!;
      if (leastGain === 0 || stepOf(gains[i]! / sizes[i]!) >= least) ids[kept++] = id;
    }
    if (depth > 1) numContexts++;
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
  return { segments: writer.finish(), numContexts };
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

/** Shorter contexts first. */
function forEachRow(
  { order, vocabSize, discounts, unigrams, segments }: RowsToPrune,
  visit: (row: RowToPrune) => void,
): void {
  const scanner = new RowScanner(vocabSize);
  const head: RowHead = { total: 0, distinct: 0, largest: 0, listed: 0, at: 0, isSingle: false };
  // By depth and id, for the row visited last.
  const chances = Array.from({ length: order }, () => new Float64Array(vocabSize));
  chances[0]!.set(unigramChances(unigrams, discounts[0]!));
  const row: RowToPrune = {
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
  const measure = (bytes: Uint8Array, from: number): void => {
    const depth = scanner.open(bytes, { from, to: bytes.length }, { context: row.context, head });
    scanner.readSuccessors(bytes, head);
    const { total, listed } = head;
    const discount = discounts[depth]!;
    const rest = (discount * listed) / total;
    if (row.gains.length < listed) {
      row.gains = new Float64Array(2 * listed);
      row.sizes = new Uint8Array(2 * listed);
    }
    const [own, shorter] = [chances[depth]!, chances[depth - 1]!];
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
    visit(row);
  };
  // A row is read behind those that it is the context of. They end with the row of one id.
  let starts: { bytes: Uint8Array; from: number }[] = [];
  for (const bytes of segments)
    for (let from = 0; from < bytes.length; from = scanner.end) {
      const depth = scanner.open(bytes, { from, to: bytes.length }, { context: row.context, head });
      starts.push({ bytes, from });
      const { end } = scanner;
      if (depth === 1) {
        for (let i = starts.length - 1; i >= 0; i--) measure(starts[i]!.bytes, starts[i]!.from);
        starts = [];
      }
      scanner.end = end;
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
