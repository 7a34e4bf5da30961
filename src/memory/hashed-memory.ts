/**
 * The memory of arXiv 2601.07372: the n-grams that end at a position are hashed to rows of a table, one row for each
 * order and head. These rows, concatenated, are the vector of the position. Combines token compression, hash and
 * tables. Knows no graph, session or file.
 */
import { InvalidConfigError } from "../errors.ts";
import type { Addressing } from "./addressing.ts";
import { hashRange } from "./hash.ts";
import type { Addresses, LookUp, Memory, MemoryInput, MemoryReader, TokenSpan } from "./memory.ts";
import { Retrieval, type RetrievalTable } from "./retrieval.ts";
import { reportTables, type TableReport } from "./tiers.ts";
import { checkTokenMap, compressInto, type TokenMap } from "./token-map.ts";

/** What a hashed memory is made of. */
export interface HashedMemoryParts {
  readonly tokenMap: TokenMap;
  readonly addressing: Addressing;
  /** One for each layer of the addressing, in its order. */
  readonly tables: readonly RetrievalTable[];
}

export class HashedMemory implements Memory, HashedMemoryParts {
  readonly #identity: string;
  readonly tokenMap: TokenMap;
  readonly addressing: Addressing;
  readonly tables: readonly RetrievalTable[];
  readonly inputs: readonly MemoryInput[];

  /** `identity` is for views of another memory. Default: a new one. */
  constructor(
    { tokenMap, addressing, tables }: HashedMemoryParts,
    { identity = randomName() }: { identity?: string } = {},
  ) {
    const { layout, numColumns } = addressing;
    const { layers } = layout;
    if (layers.some(({ layerId }, i) => tables[i]?.layerId !== layerId))
      throw new InvalidConfigError(
        `layers ${layers.map(({ layerId }) => layerId).join(", ")} carry memory, got tables for ` +
          tables.map(({ layerId }) => layerId).join(", "),
      );
    checkTokenMap(tokenMap, addressing.compressedVocabSize);
    this.#identity = identity;
    this.tokenMap = tokenMap;
    this.addressing = addressing;
    this.tables = tables;
    this.inputs = tables.map(({ layerId, format }) => ({
      layerId,
      width: numColumns * format.headDim,
    }));
  }

  get identity(): string {
    return this.#identity;
  }

  get takesHints(): boolean {
    return this.tables.some(({ store }) => store.prefetch !== undefined);
  }

  /** The same addresses, read elsewhere. */
  withTables(changed: (table: RetrievalTable) => RetrievalTable): HashedMemory {
    return new HashedMemory({ ...this, tables: this.tables.map(changed) });
  }

  reader(): HashedReader {
    return new HashedReader(this);
  }

  report(): TableReport {
    return reportTables(this.tables);
  }
}

/** Reads a `HashedMemory`, one batch at a time. */
export class HashedReader implements MemoryReader {
  readonly #parts: HashedMemoryParts;
  /** Look-back of the longest n-gram, in ids. */
  readonly #reach: number;
  #compressed = new Int32Array(64);
  protected readonly retrieval: Retrieval;

  constructor(parts: HashedMemoryParts) {
    this.#parts = parts;
    this.#reach = parts.addressing.layout.config.maxNgramSize - 1;
    this.retrieval = new Retrieval(parts.tables);
  }

  address(texts: readonly TokenSpan[]): Addresses {
    const { plans, pad, numColumns } = this.#parts.addressing;
    let numPositions = 0;
    for (const { from, to } of texts) numPositions += to - from;
    const rows = new Map<number, Uint32Array>();
    for (const { layerId } of plans) rows.set(layerId, new Uint32Array(numPositions * numColumns));
    let outOffset = 0;
    for (const { ids, begin = 0, from: first, to: end } of texts) {
      const start = Math.max(begin, first - this.#reach);
      const compressed = this.#compress(ids, start, end);
      const [from, to] = [first - start, end - start];
      for (const plan of plans)
        hashRange(plan, compressed, { from, to, pad, out: rows.get(plan.layerId)!, outOffset });
      outOffset += (end - first) * numColumns;
    }
    return { numPositions, rows };
  }

  lookUp({ rows, numPositions }: Addresses, into: ReadonlyMap<number, Float32Array>): LookUp {
    // At one position no row repeats: each column has its own range of rows.
    return this.retrieval.lookUp(rows, { into, areDistinct: numPositions === 1 });
  }

  hint({ rows }: Addresses): void {
    for (const [layerId, ofLayer] of rows) this.retrieval.prefetch(layerId, ofLayer);
  }

  /** A view, valid until the next call. */
  #compress(ids: ArrayLike<number>, from: number, to: number): Int32Array {
    if (this.#compressed.length < to - from) this.#compressed = new Int32Array(2 * (to - from));
    const into = this.#compressed.subarray(0, to - from);
    compressInto(this.#parts.tokenMap, { ids, from, into });
    return into;
  }
}

/** The contents are too large for a digest, so identities are numbered. */
function randomName(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join("-");
}
