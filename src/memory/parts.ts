/** What a model's memory is made of: learned rows, counts, or both. The only file that knows all kinds. */
import { RequestError } from "../errors.ts";
import { ablated, type RowsAblation } from "./ablated.ts";
import { ComposedMemory } from "./composed.ts";
import type { CountsAblation } from "./counted/counts-ablation.ts";
import type { CountedMemory } from "./counted/counted-memory.ts";
import { HashedMemory } from "./hashed-memory.ts";
import type { Memory } from "./memory.ts";

function partsOf(memory: Memory | undefined): readonly Memory[] {
  if (memory instanceof ComposedMemory) return memory.parts;
  return memory === undefined ? [] : [memory];
}

/** Its learned rows, if it has some. */
export function rowsOf(memory: Memory | undefined): HashedMemory | undefined {
  return partsOf(memory).find((part) => part instanceof HashedMemory);
}

/** Its counts, if it has some. */
export function countsOf(memory: Memory | undefined): CountedMemory | undefined {
  // No other kind has distributions. Its class is not named here, so that its code is loaded where it is needed.
  return partsOf(memory).find(({ numDistributions }) => numDistributions !== undefined) as
    | CountedMemory
    | undefined;
}

/** Several as one, or the only one, or none. */
export function composed(parts: readonly (Memory | undefined)[]): Memory | undefined {
  const present = parts.filter((part) => part !== undefined);
  return present.length > 1 ? new ComposedMemory(present) : present[0];
}

/** The same memory with other rows in place of its own, if it has some. */
export function withRows(memory: Memory, change: (rows: HashedMemory) => HashedMemory): Memory {
  const rows = rowsOf(memory);
  if (rows === undefined) return memory;
  return composed(partsOf(memory).map((part) => (part === rows ? change(rows) : part)))!;
}

/** The same memory with other counts in place of its own, if it has some. */
export function withCounts(memory: Memory, other: CountedMemory): Memory {
  const counts = countsOf(memory);
  return composed(partsOf(memory).map((part) => (part === counts ? other : part)))!;
}

/** Parts of a memory that are taken away: everything that any of the lists names. */
export interface Ablation extends RowsAblation, CountsAblation {}

/** The memory without parts of its learned rows and of its counts. Throws `RequestError` for parts that it does not have. */
export function withoutParts(memory: Memory, ablation: Ablation): Memory {
  const { counts = [], contexts = [], ...ofRows } = ablation;
  const isOfCounts = counts.length + contexts.length > 0;
  if (rowsOf(memory) === undefined && Object.values(ofRows).some((list) => list?.length > 0))
    throw new RequestError(
      "layers, orders, heads and rows are parts of learned rows, and this model has counts alone: name counts or contexts",
    );
  const counted = countsOf(memory);
  if (counted === undefined && isOfCounts)
    throw new RequestError(
      "counts and contexts are parts of what was counted, and this model has learned rows alone: name layers, orders, heads or rows",
    );
  const left = isOfCounts ? withCounts(memory, counted!.without({ counts, contexts })) : memory;
  return withRows(left, (rows) => ablated(rows, ofRows));
}
