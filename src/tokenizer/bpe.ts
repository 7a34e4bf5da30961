/**
 * Byte-pair merging of one piece: bytes in, token ids out. The lowest-ranked pair merges first and,
 * among equals, the leftmost. Knows nothing of text, pieces or special tokens.
 */
import { FormatError } from "../errors.ts";
import { unspellBytes, alphabetChar } from "./byte-alphabet.ts";
import type { TokenizerDefinition } from "./definition.ts";
import { PairTable } from "./pair-table.ts";

/** A rank and a position share one double while sorting: rank * 2^32 + position < 2^53. */
const MAX_RANKS: number = 2 ** 21;
const POSITION_SPAN: number = 2 ** 32;
/** Below this many bytes, scanning for the lowest rank beats keeping a heap. */
const SCAN_LIMIT = 64;

export interface BpeModel {
  /** Ids of the 256 bytes; -1 for one that has no token, and is left out of every text. */
  readonly byteIds: Int32Array;
  /** Rank of a pair of ids; low merges first. */
  readonly pairs: PairTable;
  /** The token that the pair of a rank becomes. */
  readonly mergedOf: Int32Array;
}

/**
 * Throws FormatError if a merge names or makes a token that is not there. A byte without a token is left out, as the
 * Rust library does (SmolLM2's vocabulary has none for 21 of them); where merges are "by-id", it is an error, too.
 * `vocab`: the id of each token by its text, where there is such a table.
 */
export function buildBpeModel(
  definition: TokenizerDefinition,
  vocab?: ReadonlyMap<string, number>,
): BpeModel {
  const { tokens, merges, addedTokens } = definition;
  if (tokens.length > MAX_RANKS || merges.length / 2 > MAX_RANKS) {
    throw new FormatError(
      `Expected at most ${MAX_RANKS} tokens and merges, got ${tokens.length} and ${merges.length / 2}.`,
    );
  }
  const added = new Set(addedTokens.map(({ id }) => id));
  const idOf = vocab ?? idsOf(definition, added);
  const byteIds = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    const id = idOf.get(alphabetChar(byte));
    if (id === undefined && merges === "by-id") {
      throw new FormatError(
        `Expected a token for each of the 256 bytes, found none for byte ${byte} ` +
          `(${JSON.stringify(alphabetChar(byte))}): this is not a byte-level vocabulary.`,
      );
    }
    byteIds[byte] = id ?? -1;
  }
  if (merges === "by-id") {
    return { byteIds, ...mergesById(tokens, added) };
  }
  const pairs = new PairTable(merges.length / 2);
  const mergedOf = new Int32Array(merges.length / 2);
  for (let rank = 0; rank < mergedOf.length; rank++) {
    const left = merges[rank * 2]!;
    const right = merges[rank * 2 + 1]!;
    const merged = idOf.get(`${tokens[left]}${tokens[right]}`);
    if (merged === undefined) {
      throw new FormatError(
        `Merge ${rank} (${JSON.stringify(tokens[left])} + ${JSON.stringify(tokens[right])}) makes a ` +
          "token that is not in the vocabulary.",
      );
    }
    mergedOf[rank] = merged;
    pairs.set(left, right, rank);
  }
  return { byteIds, pairs, mergedOf };
}

function idsOf(
  { tokens, addedTokens }: TokenizerDefinition,
  added: ReadonlySet<number>,
): Map<string, number> {
  // An added token may have the text of an ordinary one. Then merges make only the ordinary one.
  const found = new Map(addedTokens.map(({ text, id }) => [text, id]));
  for (const [id, token] of tokens.entries())
    if (token !== "" && !added.has(id)) found.set(token, id);
  return found;
}

/** Every split of a token into two tokens is a pair with the token's id as its rank. */
function mergesById(
  tokens: readonly string[],
  added: ReadonlySet<number>,
): Omit<BpeModel, "byteIds"> {
  const ordinary = new Map<string, number>();
  for (const [id, token] of tokens.entries()) {
    if (token !== "" && !added.has(id) && unspellBytes(token) !== undefined)
      ordinary.set(token, id);
  }
  const pairs = new PairTable(tokens.length * 2);
  const mergedOf = Int32Array.from(tokens, (_, id) => id);
  for (const [token, id] of ordinary) {
    for (let cut = 1; cut < token.length; cut++) {
      const left = ordinary.get(token.slice(0, cut));
      if (left === undefined) continue;
      const right = ordinary.get(token.slice(cut));
      if (right !== undefined) pairs.set(left, right, id);
    }
  }
  return { pairs, mergedOf };
}

/** Merges pieces with one model; owns the scratch memory. */
export class BpeMerger {
  readonly #model: BpeModel;
  readonly #ids = new Int32Array(SCAN_LIMIT);
  readonly #ranks = new Int32Array(SCAN_LIMIT);

  constructor(model: BpeModel) {
    this.#model = model;
  }

  /** Ids of the piece made of the first `length` bytes; the result is valid until the next call. */
  merge(bytes: Uint8Array, length: number): Int32Array {
    const { byteIds, pairs } = this.#model;
    const isShort = length <= SCAN_LIMIT;
    const all = isShort ? this.#ids : new Int32Array(length);
    let count = 0;
    for (let i = 0; i < length; i++) {
      const id = byteIds[bytes[i]!]!;
      if (id >= 0) all[count++] = id;
    }
    const ids = all.subarray(0, count);
    const ranks = isShort ? this.#ranks : new Int32Array(count);
    for (let i = 0; i + 1 < count; i++) ranks[i] = pairs.get(ids[i]!, ids[i + 1]!);
    return ids.subarray(0, isShort ? this.#scan(count) : this.#queue(ids, ranks));
  }

  /** Number of ids left. `ranks[i]` is kept as the rank of (ids[i], ids[i + 1]), -1 if none. */
  #scan(length: number): number {
    const { pairs, mergedOf } = this.#model;
    const ids = this.#ids;
    const ranks = this.#ranks;
    let count = length;
    for (;;) {
      let best = -1;
      let bestRank = MAX_RANKS;
      for (let i = 0; i + 1 < count; i++) {
        const rank = ranks[i]!;
        if (rank >= 0 && rank < bestRank) {
          bestRank = rank;
          best = i;
        }
      }
      if (best < 0) return count;
      ids[best] = mergedOf[bestRank]!;
      count--;
      for (let i = best + 1; i < count; i++) {
        ids[i] = ids[i + 1]!;
        ranks[i] = ranks[i + 1]!;
      }
      if (best > 0) ranks[best - 1] = pairs.get(ids[best - 1]!, ids[best]!);
      if (best + 1 < count) ranks[best] = pairs.get(ids[best]!, ids[best + 1]!);
    }
  }

  /**
   * The same for long pieces in O(n log n). Positions keep their index and are linked to their remaining
   * neighbours. A heap entry is stale if the pair at its position has another rank now.
   */
  #queue(ids: Int32Array, ranks: Int32Array): number {
    const { pairs, mergedOf } = this.#model;
    const length = ids.length;
    const next = new Int32Array(length);
    const previous = new Int32Array(length);
    for (let i = 0; i < length; i++) {
      next[i] = i + 1;
      previous[i] = i - 1;
    }
    ranks[length - 1] = -1;
    const heap = new MinHeap(length);
    for (let i = 0; i + 1 < length; i++)
      if (ranks[i]! >= 0) heap.push(ranks[i]! * POSITION_SPAN + i);
    while (heap.size > 0) {
      const entry = heap.pop();
      const rank = Math.floor(entry / POSITION_SPAN);
      const at = entry - rank * POSITION_SPAN;
      if (ranks[at] !== rank) continue;
      const swallowed = next[at]!;
      const after = next[swallowed]!;
      ids[at] = mergedOf[rank]!;
      ranks[swallowed] = -1;
      ids[swallowed] = -1;
      next[at] = after;
      ranks[at] = -1;
      if (after < length) {
        previous[after] = at;
        ranks[at] = pairs.get(ids[at]!, ids[after]!);
        if (ranks[at]! >= 0) heap.push(ranks[at]! * POSITION_SPAN + at);
      }
      const before = previous[at]!;
      if (before >= 0) {
        ranks[before] = pairs.get(ids[before]!, ids[at]!);
        if (ranks[before]! >= 0) heap.push(ranks[before]! * POSITION_SPAN + before);
      }
    }
    let count = 0;
    for (let i = 0; i < length; i++) if (ids[i]! >= 0) ids[count++] = ids[i]!;
    return count;
  }
}

/** Binary min-heap of doubles. */
class MinHeap {
  #items: Float64Array;
  #size = 0;

  constructor(capacity: number) {
    this.#items = new Float64Array(Math.max(16, capacity));
  }

  get size(): number {
    return this.#size;
  }

  push(value: number): void {
    if (this.#size === this.#items.length) {
      const grown = new Float64Array(this.#size * 2);
      grown.set(this.#items);
      this.#items = grown;
    }
    const items = this.#items;
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (items[parent]! <= value) break;
      items[at] = items[parent]!;
      at = parent;
    }
    items[at] = value;
  }

  /** Removes and returns the smallest; the heap must not be empty. */
  pop(): number {
    const items = this.#items;
    const smallest = items[0]!;
    const moved = items[--this.#size]!;
    const size = this.#size;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= size) break;
      if (child + 1 < size && items[child + 1]! < items[child]!) child++;
      if (items[child]! >= moved) break;
      items[at] = items[child]!;
      at = child;
    }
    items[at] = moved;
    return smallest;
  }
}
