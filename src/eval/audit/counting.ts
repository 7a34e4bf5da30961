/**
 * The rows of an audit for n-gram counts: Kneser-Ney of the training text, the baseline for a memory. Alone and mixed
 * with the models' readings; all counts, and pruned to as many bytes as the model's table. Counts in the same way as
 * counted memory, with a separate table for each order. Knows readings and counts; no models.
 *
 * A text is one sequence here, and its end-of-text tokens are ordinary words.
 */
import type { TokenStream } from "../../inference/index.ts";
import {
  buildCountedTable,
  CountedMemory,
  leastCountedBytes,
  sortByContext,
  tableInRam,
} from "../../memory/index.ts";
import { nextTurn } from "../../next-turn.ts";
import { mixture } from "./mixture.ts";
import type { Nats } from "./paired-blocks.ts";
import type { Group, RowReport } from "./report.ts";

const ORDERS = [2, 3, 4, 5] as const;

/** A row of the audit before its figures are computed. */
export interface Reading extends Pick<RowReport, "counted" | "weights"> {
  readonly group: Group;
  readonly name: string;
  readonly nats: Nats;
}

export interface CountingOptions {
  readonly trained: TokenStream;
  readonly vocabSize: number;
  /** The scored text, and which of its tokens are scored. */
  readonly text: TokenStream;
  readonly at: Uint32Array;
  /** The readings to mix with, by name. */
  readonly models: ReadonlyMap<string, Nats>;
  /** Bytes of the model's tables; absent without a memory. */
  readonly tableBytes: number | undefined;
  readonly onProgress: (what: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** An order whose directory alone takes more than the table's bytes has no row at equal bytes. */
export async function countedReadings(options: CountingOptions): Promise<Reading[]> {
  const { trained, vocabSize, text, at, models, tableBytes = 0, onProgress, signal } = options;
  const whole: Reading[] = [];
  const pruned: Reading[] = [];
  for (const order of ORDERS) {
    // Lets an abort arrive.
    await nextTurn();
    signal?.throwIfAborted();
    const name = `Kneser-Ney ${order}`;
    onProgress(`counting the training text: ${name}`);
    const countUpTo = counter(trained.tokens, { order, vocabSize });
    const readingsOf = (group: Group, counts: CountedMemory): Reading[] => {
      const counted = { order, bytes: counts.numBytes };
      const nats = countedNats(counts, text.tokens, at);
      const mixed = Array.from(models, ([of, other]) => ({
        group,
        name: `${of} + ${name}`,
        counted,
        ...mixture(other, nats),
      }));
      return [{ group, name, nats, counted }, ...mixed];
    };
    whole.push(...readingsOf("counting", countUpTo(Infinity)));
    if (tableBytes >= leastCountedBytes({ order, vocabSize }))
      pruned.push(...readingsOf("counting at equal bytes", countUpTo(tableBytes)));
  }
  return [...whole, ...pruned];
}

/** Counts all n-grams of a text, or the most valuable ones within a number of bytes. */
export function counter(
  tokens: TokenStream["tokens"],
  { order, vocabSize }: { order: number; vocabSize: number },
): (bytes: number) => CountedMemory {
  const sorted = sortByContext({ tokens, starts: new Uint32Array(0) }, { order, vocabSize });
  return (bytes) => {
    const prune = bytes === Infinity ? undefined : { bytes };
    return new CountedMemory(tableInRam(buildCountedTable(sorted, { vocabSize, prune })), {
      layerId: 0,
    });
  };
}

/** Positions in one look-up. */
const BATCH = 4096;

/** -ln p of each token `at` (ascending, from 1), given the tokens before it in `tokens`. Uses the longest n-grams. */
export function countedNats(
  counts: CountedMemory,
  tokens: ArrayLike<number>,
  at: ArrayLike<number>,
): Float64Array {
  const nats = new Float64Array(at.length);
  const reader = counts.reader();
  const chances = new Float32Array(counts.numDistributions);
  for (let i = 0; i < at.length;) {
    const from = at[i]! - 1;
    const to = Math.min(from + BATCH, tokens.length);
    const { distributions } = reader.lookUp(reader.address([{ ids: tokens, from, to }]), new Map());
    for (; i < at.length && at[i]! <= to; i++) {
      distributions!.chances(at[i]! - 1 - from, tokens[at[i]!]!, chances);
      nats[i] = -Math.log(chances.at(-1)!);
    }
  }
  return nats;
}
