/**
 * The seam between ids and vectors: what a model asks of any kind of memory. Addresses depend on ids alone, so
 * addresses can be computed, and rows fetched, before they are needed. Knows token ids and plain arrays; not graphs,
 * sessions, files or text.
 *
 * Shapes: P positions of all texts of a batch, in the given order; E numbers for each position (`MemoryInput.width`).
 */
import type { TableReport } from "./tiers.ts";

export type { TableReport };

/** Positions `from`..`to`-1 of one text, with its ids from the first on. */
export interface TokenSpan {
  readonly ids: ArrayLike<number>;
  /** Where their document starts. Look-back stops there. Default 0. */
  readonly begin?: number;
  readonly from: number;
  readonly to: number;
  /** Where `ids[from]` stands in the text that a model is trained on: `TrainableMemory.trainingReader` may need it. */
  readonly source?: number;
}

/** An input of a model's graph: one vector [E] for each position. */
export interface MemoryInput {
  readonly layerId: number;
  readonly width: number;
}

/** A vector [D] to be added to the residual stream at one position, before a layer or, at their number, the final norm. */
export interface StreamWrite {
  /** 0..P-1 */
  readonly position: number;
  readonly layerId: number;
  readonly vector: Float32Array;
}

/** Addresses of a batch. Only the memory that made them can use them. */
export interface Addresses {
  readonly numPositions: number;
  /** Row ids [P, C] by layer, for display. */
  readonly rows: ReadonlyMap<number, Uint32Array>;
  /** At most one for each position and layer. Absent: none. */
  readonly writes?: readonly StreamWrite[];
  /** Of a memory that people wrote: where it says what comes next. Absent: nowhere. */
  readonly taught?: readonly TaughtNext[];
}

/** What somebody taught to follow the ids up to a position: its chance is mixed in, p = (p_model + odds · [id]) / (1 + odds). */
export interface TaughtNext {
  readonly position: number;
  readonly id: number;
  /** Against all that the model says: above 0. */
  readonly odds: number;
}

/** What a memory itself says of the next id: several distributions, each of which sums to one over the vocabulary. */
export interface Distributions {
  readonly count: number;
  /** The chance of `id` under each of them, at a position of the look-up: fills [count]. */
  chances(position: number, id: number, into: Float32Array): void;
  /** Adds each of them times its weight [count] to `probs` [V]. */
  add(position: number, weights: ArrayLike<number>, probs: Float32Array): void;
}

/** A read that may not have finished. */
export interface LookUp {
  /** Rows asked for in all layers, repeats included. */
  readonly numRows: number;
  /** All vectors are in place; there is nothing to wait for. */
  readonly isDone: boolean;
  /** Starts the reads of all layers that have missing rows. Call it once, before waiting. */
  begin(): void;
  /** The same as `isDone` for one layer. */
  hasArrived(layerId: number): boolean;
  /** Resolves when the layer's vectors are in place; rejects if they cannot be read. */
  arrival(layerId: number): Promise<unknown>;
  /** Calls `begin`. Resolves when all vectors are in place; rejects if some cannot be read. */
  all(): Promise<void>;
  /** Resolves when all reads have ended, with success or failure. */
  settled(): Promise<void>;
  /** Of a memory with `numDistributions`: to be asked once everything is in place, and before the reader's next look-up. */
  readonly distributions?: Distributions;
}

/** Of vectors that are in memory, or of none: nothing has to be waited for. */
export const doneLookUp: LookUp = joinLookUps([]);

/** Where an n-gram of what was counted is from. */
export type Origin = {
  /** The number of its document, from 1; of a text that a scope has learned that of its record. */
  readonly document: number;
  /** Whether no other has it. */
  readonly isOnly: boolean;
} & (
  | {
      readonly pack: string;
      /** Of the corpus; the document's number is that in it. */ readonly file: string;
    }
  | { readonly scope: string }
);

/** Corpora of counts that know what is from where. */
export interface Origins {
  /** Of the longest n-gram that was counted and ends with `ids[at]`; undefined where it is unknown. */
  originOf(ids: ArrayLike<number>, at: number): Origin | undefined;
}

export interface Memory {
  /** Names contents and view. A cached prefix may be reused only where the identity is equal. */
  readonly identity: string;
  /** Of what hidden states depend on. Default: `identity`. */
  readonly statesIdentity?: string;
  readonly inputs: readonly MemoryInput[];
  /** Distributions over the next id that a look-up brings, for the model to weigh. Absent: none. */
  readonly numDistributions?: number;
  /** Of its counts, as far as they know where they are from. Absent: they do not. */
  readonly origins?: readonly Origins[];
  /** Whether `MemoryReader.hint` can make later reads faster. */
  readonly takesHints: boolean;
  /** A reader with its own scratch arrays: one for each session, batch or scorer. */
  reader(): MemoryReader;
  /**
   * How many of the first `ids` have the same hidden states under `other`, which may be no memory. Default: all where
   * `statesIdentity` is equal, else none.
   */
  agreement?(other: Memory | undefined, ids: ArrayLike<number>): number;
  /** Where its contents lie and how often each tier was read. */
  report(): TableReport;
}

/** Of memories that change no hidden state: counts are read behind the last layer. */
export const NO_STATES = "counts" as const;

/** What hidden states depend on. */
export function statesIdentity(memory: Memory | undefined): string | undefined {
  return memory?.statesIdentity ?? memory?.identity;
}

/** Reads one batch at a time. */
export interface MemoryReader {
  /** Throws `RequestError` for ids outside the vocabulary. */
  address(texts: readonly TokenSpan[]): Addresses;
  /** Fills `into`, the vectors [P, E] of each input by its layer. */
  lookUp(at: Addresses, into: ReadonlyMap<number, Float32Array>): LookUp;
  /** Says that `at` will probably be looked up. Never fails, never waits, changes no result. */
  hint(at: Addresses): void;
}

/** One step of training. */
export interface MemoryUpdate {
  readonly lr: number;
  /** Steps before this one. */
  readonly step: number;
}

export interface TrainableMemory extends Memory {
  /** Reads as a model is trained, which may differ from how it will be read. */
  trainingReader(): TrainableReader;
}

export interface TrainableReader extends MemoryReader {
  /** Updates what the last `lookUp` read with the gradients [P, E] of its vectors, by layer. */
  update(gradients: ReadonlyMap<number, Float32Array>, by: MemoryUpdate): Promise<void>;
}

/** Several look-ups as one, with the distributions of the one that has some. */
export function joinLookUps(lookUps: readonly LookUp[]): LookUp {
  const distributions = lookUps.find((lookUp) => lookUp.distributions !== undefined)?.distributions;
  return {
    numRows: lookUps.reduce((sum, { numRows }) => sum + numRows, 0),
    get isDone() {
      return lookUps.every(({ isDone }) => isDone);
    },
    ...(distributions !== undefined && { distributions }),
    begin: () => {
      for (const lookUp of lookUps) lookUp.begin();
    },
    hasArrived: (layerId) => lookUps.every((lookUp) => lookUp.hasArrived(layerId)),
    arrival: (layerId) => Promise.all(lookUps.map((lookUp) => lookUp.arrival(layerId))),
    all: async () => void (await Promise.all(lookUps.map((lookUp) => lookUp.all()))),
    settled: async () => void (await Promise.all(lookUps.map((lookUp) => lookUp.settled()))),
  };
}
