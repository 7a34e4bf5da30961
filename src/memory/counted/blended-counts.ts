/**
 * Several counted tables as one: at each position they are weighed by what chance each gave the ids just before (Bayes'
 * rule over the last ids). No state is kept: a text has the same weights however it is read. The model gets one set of
 * distributions and one of evidence, so its reader need not know how many tables there are. In a text that is like one
 * corpus the tables of the others have no say.
 *
 * P positions, T tables, K distributions, E = 3 K.
 */
import { InvalidConfigError } from "../../errors.ts";
import {
  type Addresses,
  type Distributions,
  joinLookUps,
  type LookUp,
  type Memory,
  type MemoryInput,
  type MemoryReader,
  NO_STATES,
  type Origins,
  type TokenSpan,
} from "../memory.ts";
import type { CountsAblation } from "./counts-ablation.ts";
import { lookUpAtOnce } from "./look-up-at-once.ts";
import { mergeReports, type TableReport } from "../tiers.ts";

/** Ids before a position by which tables are weighed there. */
export const LOOK_BACK = 32;

/** What a table says of an id at least, to be weighed by: no table is out for good. */
const LEAST_CHANCE = 1e-9;

/** A table with less weight than this is left out. */
const LEAST_WEIGHT = 1e-4;

/** Counts that can be weighed against others. */
export interface CountsPart extends Memory {
  readonly numDistributions: number;
  readonly vocabSize: number;
  /** Without what is named. Absent: it is read whole. */
  without?(ablation: CountsAblation): CountsPart;
}

export class BlendedCounts implements CountsPart {
  readonly parts: readonly CountsPart[];
  readonly inputs: readonly MemoryInput[];
  readonly numDistributions: number;
  readonly identity: string;
  readonly statesIdentity: string = NO_STATES;
  readonly vocabSize: number;

  /** The first counts most until a text tells. Throws `InvalidConfigError` unless all can be read by one reader. */
  constructor(parts: readonly CountsPart[]) {
    const [first] = parts as readonly [CountsPart];
    this.parts = parts;
    this.inputs = first.inputs;
    this.numDistributions = first.numDistributions;
    this.identity = parts.map(({ identity }) => identity).join(" & ");
    this.vocabSize = first.vocabSize;
    for (const { numDistributions, vocabSize } of parts)
      if (numDistributions !== this.numDistributions || vocabSize !== this.vocabSize)
        throw new InvalidConfigError(
          "counts that are read together are of one vocabulary and are read to one order",
        );
  }

  get origins(): readonly Origins[] {
    return this.parts.flatMap(({ origins }) => origins ?? []);
  }

  get takesHints(): boolean {
    return this.parts.some(({ takesHints }) => takesHints);
  }

  reader(): MemoryReader {
    return new BlendedReader(this);
  }

  /** What a scope has learned is read whole, as facts are. */
  without(ablation: CountsAblation): BlendedCounts {
    return new BlendedCounts(this.parts.map((part) => part.without?.(ablation) ?? part));
  }

  report(): TableReport {
    return mergeReports(this.parts.map((part) => part.report()));
  }
}

interface BlendedAddresses extends Addresses {
  /** Of each table, for the positions of `texts` with those before by which they are weighed. */
  readonly parts: readonly Addresses[];
  readonly texts: readonly WeighedSpan[];
  readonly numRead: number;
}

interface WeighedSpan extends Required<Pick<TokenSpan, "ids" | "begin" | "from" | "to">> {
  /** The first that is read. */
  readonly read: number;
  /** Losses of the places before it, from an earlier look-up [.., T]. */
  readonly known: Float64Array;
}

/** The end of a text that was read, so that the next id need not read it again. */
interface KeptEnd {
  readonly ids: Uint32Array;
  /** The text has no more ids. */
  readonly isWhole: boolean;
  /** Of the last places whose next id was known [.., T]. */
  readonly losses: Float64Array;
}

const none = new Float64Array(0);

class BlendedReader implements MemoryReader {
  readonly #memory: BlendedCounts;
  readonly #readers: readonly MemoryReader[];
  /** Of the texts of the last look-up, in their order. */
  #kept: readonly KeptEnd[] = [];

  constructor(memory: BlendedCounts) {
    this.#memory = memory;
    this.#readers = memory.parts.map((part) => part.reader());
  }

  address(texts: readonly TokenSpan[]): BlendedAddresses {
    const wider = texts.map(({ ids, begin = 0, from, to }, i) => {
      const kept = this.#kept[i];
      const span = { ids, begin, from, to };
      if (kept !== undefined && goesOn(span, kept))
        return { ...span, read: from - 1, known: kept.losses };
      return { ...span, read: Math.max(begin, from - LOOK_BACK), known: none };
    });
    const spans = wider.map(({ ids, begin, read, to }) => ({ ids, begin, from: read, to }));
    return {
      numPositions: texts.reduce((sum, { from, to }) => sum + to - from, 0),
      numRead: spans.reduce((sum, { from, to }) => sum + to - from, 0),
      rows: new Map(),
      parts: this.#readers.map((reader) => reader.address(spans)),
      texts: wider,
    };
  }

  lookUp(addresses: Addresses, into: ReadonlyMap<number, Float32Array>): LookUp {
    const at = addresses as BlendedAddresses;
    const [{ layerId, width }] = this.#memory.inputs as readonly [MemoryInput];
    const evidence = at.parts.map(() => new Float32Array(at.numRead * width));
    const lookUps = this.#readers.map((reader, i) =>
      reader.lookUp(at.parts[i]!, new Map([[layerId, evidence[i]!]])),
    );
    const blend = new Blend(
      at,
      lookUps.map(({ distributions }) => distributions!),
    );
    const joined = joinLookUps(lookUps);
    const place = into.get(layerId);
    const finish = (): void => {
      const losses = blend.weigh();
      const reach = LOOK_BACK + this.#memory.numDistributions;
      this.#kept = at.texts.map((text, i) => endOf(text, { losses: losses[i]!, reach }));
      if (place !== undefined) blend.describe(evidence, width, place);
    };
    const { isDone, numRows } = joined;
    if (isDone) finish();
    return lookUpAtOnce({
      numRows,
      distributions: blend,
      layerId,
      ...(!isDone && {
        read: async () => {
          await joined.all();
          finish();
        },
      }),
    });
  }

  hint(addresses: Addresses): void {
    for (const [i, reader] of this.#readers.entries())
      reader.hint((addresses as BlendedAddresses).parts[i]!);
  }
}

/** The distributions of all tables, weighed. */
class Blend implements Distributions {
  readonly count: number;
  readonly #at: BlendedAddresses;
  readonly #parts: readonly Distributions[];
  /** [P, T] */
  readonly #weights: Float64Array;
  /** [P] Where each position stands among those that were read. */
  readonly #places: Uint32Array;
  readonly #chances: Float32Array;

  constructor(at: BlendedAddresses, parts: readonly Distributions[]) {
    this.#at = at;
    this.#parts = parts;
    this.count = parts[0]!.count;
    this.#weights = new Float64Array(at.numPositions * parts.length);
    this.#places = new Uint32Array(at.numPositions);
    this.#chances = new Float32Array(this.count);
  }

  /** Call when all has arrived. Returns the losses of each text, from the first place by which one is weighed. */
  weigh(): Float64Array[] {
    const { texts } = this.#at;
    const size = this.#parts.length;
    let [position, first] = [0, 0];
    return texts.map((text) => {
      const { begin, read, from, to } = text;
      const start = Math.max(begin, from - LOOK_BACK);
      const losses = this.#losses(text, { start, first });
      for (let at = from; at < to; at++, position++) {
        this.#places[position] = first + at - read;
        const weights = this.#weights.subarray(position * size, (position + 1) * size);
        // What was said of the ids up to this one; in one order of adding, whatever is read at once.
        for (let table = 0; table < size; table++) {
          let sum = -table * Math.LN2;
          for (let of = Math.max(start, at - LOOK_BACK); of < at; of++)
            sum -= losses[(of - start) * size + table]!;
          weights[table] = sum;
        }
        normalize(weights);
      }
      first += to - read;
      return losses;
    });
  }

  /** -log of the chance that each table gave the next id [places from `start` to the last but one, T]. */
  #losses(
    { ids, read, to, known }: WeighedSpan,
    { start, first }: { start: number; first: number },
  ): Float64Array {
    const size = this.#parts.length;
    const losses = new Float64Array(Math.max(0, to - 1 - start) * size);
    if (known.length > 0) losses.set(known.subarray(known.length - (read - start) * size));
    for (let at = read; at + 1 < to; at++)
      for (const [table, part] of this.#parts.entries()) {
        part.chances(first + at - read, ids[at + 1]!, this.#chances);
        losses[(at - start) * size + table] = -Math.log(
          Math.max(this.#chances[this.count - 1]!, LEAST_CHANCE),
        );
      }
    return losses;
  }

  /** Fills the evidence [P, E] with the weighed evidence of the tables. */
  describe(evidence: readonly Float32Array[], width: number, into: Float32Array): void {
    for (const [position, place] of this.#places.entries())
      for (let i = 0; i < width; i++) {
        let sum = 0;
        for (const [table, of] of evidence.entries()) {
          const weight = this.#weightOf(position, table);
          if (weight > 0) sum += weight * of[place * width + i]!;
        }
        into[position * width + i] = sum;
      }
  }

  chances(position: number, id: number, into: Float32Array): void {
    into.fill(0, 0, this.count);
    for (const [table, part] of this.#parts.entries()) {
      const weight = this.#weightOf(position, table);
      if (weight === 0) continue;
      part.chances(this.#places[position]!, id, this.#chances);
      for (let i = 0; i < this.count; i++) into[i]! += weight * this.#chances[i]!;
    }
  }

  add(position: number, weights: ArrayLike<number>, probs: Float32Array): void {
    for (const [table, part] of this.#parts.entries()) {
      const weight = this.#weightOf(position, table);
      if (weight === 0) continue;
      const scaled = Float64Array.from(weights, (one) => weight * one);
      part.add(this.#places[position]!, scaled, probs);
    }
  }

  #weightOf(position: number, table: number): number {
    return this.#weights[position * this.#parts.length + table]!;
  }
}

/** Whether a text is one that was read up to here. Compares all ids that losses depend on. */
function goesOn({ ids, begin, from }: TokenSpan & { begin: number }, kept: KeptEnd): boolean {
  const { length } = kept.ids;
  const start = from - length;
  if (kept.isWhole ? start !== begin : start < begin) return false;
  for (let i = 0; i < length; i++) if (ids[start + i] !== kept.ids[i]) return false;
  return length > 0;
}

function endOf(
  { ids, begin, to }: WeighedSpan,
  { losses, reach }: { losses: Float64Array; reach: number },
): KeptEnd {
  const start = Math.max(begin, to - reach);
  return {
    ids: Uint32Array.from({ length: to - start }, (_, i) => ids[start + i]!),
    isWhole: start === begin,
    losses,
  };
}

/** Logarithms of weights -> weights that sum to one. */
function normalize(weights: Float64Array): void {
  const largest = Math.max(...weights);
  let sum = 0;
  for (let i = 0; i < weights.length; i++) {
    const weight = Math.exp(weights[i]! - largest);
    weights[i] = weight < LEAST_WEIGHT ? 0 : weight;
    sum += weights[i]!;
  }
  for (let i = 0; i < weights.length; i++) weights[i]! /= sum;
}
