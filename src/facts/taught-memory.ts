/**
 * A model's memory and what was taught, as one memory: at each position it looks whether a taught key ends there, and
 * says what follows. Elsewhere the model's own memory passes untouched, byte for byte; a model without memory gets one
 * that has nothing but this. Sees the facts of some scopes at one moment. Knows ids; not texts, files or graphs.
 */
import {
  type Addresses,
  doneLookUp,
  type Memory,
  type MemoryInput,
  type MemoryReader,
  type Origins,
  statesIdentity,
  type StreamWrite,
  type TableReport,
  type TaughtNext,
  type TokenSpan,
} from "../memory/memory.ts";
import { FormatError } from "../errors.ts";
import type { VectorReader } from "./edit.ts";
import type { Fact } from "./fact.ts";
import type { Stored, StoredVector } from "./contents.ts";
import type { Found, KeyIndex } from "./key-index.ts";

/**
 * How sure a taught fact is: its chance is 1 - 2^-10 and a bit. Certain enough that ten tokens drawn in a row are all
 * right 99 times of 100; and not one, so that a grammar which forbids it leaves the model's own order of all others.
 */
export const TAUGHT_ODDS = 1023;

export interface TaughtParts {
  /** Of each scope, in the order of the request. */
  readonly successors: readonly KeyIndex<Stored>[];
  readonly vectors: readonly KeyIndex<StoredVector>[];
  /** Whether a fact belongs to the moment that this sees. */
  readonly isThere: (one: Stored) => boolean;
  readonly reader: VectorReader | undefined;
  readonly identity: string;
  readonly scopes: readonly string[];
}

/** A key that a text has: of which fact, and where it ends. */
export type Firing = {
  readonly fact: Fact;
  /** Of its last id. */
  readonly position: number;
  /** In ids. */
  readonly length: number;
} & (
  | { readonly kind: "wording"; /** What was taught to follow. */ readonly id: number }
  | {
      readonly kind: "subject";
      /** Before which its vector is added. */
      readonly layerId: number;
      /** For which the vector was found, in the fact's scope. */
      readonly factIds: readonly string[];
    }
);

export class TaughtMemory implements Memory {
  readonly #base: Memory | undefined;
  readonly #parts: TaughtParts;
  readonly #rank: (one: Stored) => number;

  constructor(base: Memory | undefined, parts: TaughtParts) {
    this.#base = base;
    this.#parts = parts;
    // The number of its change: of equal keys the one that came last counts.
    this.#rank = (one) => (parts.isThere(one) ? one.number : -1);
  }

  get identity(): string {
    return `${this.#base?.identity ?? "no memory"} + ${this.#parts.identity}`;
  }

  /** Whose facts it sees. */
  get scopes(): readonly string[] {
    return this.#parts.scopes;
  }

  get inputs(): readonly MemoryInput[] {
    return this.#base?.inputs ?? [];
  }

  get numDistributions(): number {
    return this.#base?.numDistributions ?? 0;
  }

  get origins(): readonly Origins[] {
    return this.#base?.origins ?? [];
  }

  get takesHints(): boolean {
    return this.#base?.takesHints ?? false;
  }

  reader(): MemoryReader {
    const base = this.#base?.reader();
    return {
      address: (texts) => this.#address(base, texts),
      lookUp: (at, into) => {
        const { of } = at as TaughtAddresses;
        return base === undefined ? doneLookUp : base.lookUp(of, into);
      },
      hint: (at) => base?.hint((at as TaughtAddresses).of),
    };
  }

  report(): TableReport {
    return this.#base?.report() ?? { tiers: [], cache: undefined };
  }

  /** Successors change no hidden state; vectors do, from where they stand. */
  agreement(other: Memory | undefined, ids: ArrayLike<number>): number {
    const taught = other instanceof TaughtMemory ? other : undefined;
    const base = taught === undefined ? other : taught.#base;
    if (statesIdentity(base) !== statesIdentity(this.#base)) return 0;
    for (let at = 0; at < ids.length; at++) {
      const place = { at, begin: 0 };
      const theirs = taught === undefined ? undefined : taught.#vectorAt(ids, place);
      if (this.#vectorAt(ids, place)?.value.edit !== theirs?.value.edit) return at;
    }
    return ids.length;
  }

  /** The keys that end at positions `from` to `to`-1 of a text, which begins at `begin`. */
  *firings({ ids, begin = 0, from, to }: TokenSpan): Generator<Firing> {
    for (let at = from; at < to; at++) {
      const subject = this.#vectorAt(ids, { at, begin });
      if (subject !== undefined) {
        const { length, value } = subject;
        const { edit, stored } = value;
        const { layerId } = edit;
        const factIds = stored.subject!.factIds;
        yield { kind: "subject", fact: stored.fact, position: at, length, layerId, factIds };
      }
      const found = this.#find(ids, { at, begin });
      if (found === undefined) continue;
      const { value, length, id } = found;
      yield { kind: "wording", fact: value.fact, position: at, length, id };
    }
  }

  #find(ids: ArrayLike<number>, at: Place): Found<Stored> | undefined {
    return longest(this.#parts.successors, ids, { ...at, rank: this.#rank });
  }

  #vectorAt(ids: ArrayLike<number>, at: Place): Found<StoredVector> | undefined {
    const { reader } = this.#parts;
    const rank = ({ stored }: StoredVector): number =>
      stored.subject?.mark === reader?.mark ? this.#rank(stored) : -1;
    const found = longest(this.#parts.vectors, ids, { ...at, rank });
    if (found !== undefined) checkFits(found.value, reader!);
    return found;
  }

  #address(base: MemoryReader | undefined, texts: readonly TokenSpan[]): TaughtAddresses {
    let numPositions = 0;
    const taught: TaughtNext[] = [];
    const writes: StreamWrite[] = [];
    for (const { ids, begin = 0, from, to } of texts) {
      for (let at = from; at < to; at++, numPositions++) {
        const found = this.#find(ids, { at, begin });
        if (found !== undefined)
          taught.push({ position: numPositions, id: found.id, odds: TAUGHT_ODDS });
        const subject = this.#vectorAt(ids, { at, begin });
        if (subject === undefined) continue;
        const { layerId, vector } = subject.value.edit;
        writes.push({ position: numPositions, layerId, vector });
      }
    }
    const of = base?.address(texts) ?? { numPositions, rows: new Map() };
    return { numPositions, rows: of.rows, taught, writes, of };
  }
}

/** A position of a text that begins at `begin`. */
interface Place {
  readonly at: number;
  readonly begin: number;
}

/** The longest key of all scopes; of equal keys that of the scope listed last. */
function longest<Value>(
  indexes: readonly KeyIndex<Value>[],
  ids: ArrayLike<number>,
  at: Parameters<KeyIndex<Value>["find"]>[1],
): Found<Value> | undefined {
  let best: Found<Value> | undefined;
  for (const index of indexes) {
    const found = index.find(ids, at);
    if (found !== undefined && found.length >= (best?.length ?? 0)) best = found;
  }
  return best;
}

interface TaughtAddresses extends Addresses {
  /** Those of the model's own memory. */
  readonly of: Addresses;
}

/** One of another size would be added elsewhere. */
function checkFits(
  { stored: { fact }, edit: { layerId, vector } }: StoredVector,
  { width, numLayers }: VectorReader,
): void {
  if (vector.length === width && layerId < numLayers) return;
  throw new FormatError(
    `fact "${fact.id}" has a vector of ${vector.length} numbers for layer ${layerId}; the model has ${numLayers} layers of ` +
      `${width}: what was taught is damaged; forget the fact and teach it again`,
  );
}
