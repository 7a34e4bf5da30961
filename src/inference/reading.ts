/**
 * What reading some ids told: logits or hidden states, and what the memory did at each of them. Plain
 * arrays; knows no engine.
 *
 * n ids read, V vocabulary, D model width, C rows a position.
 */

/** What is wanted of a reading. More of it costs more. */
export interface Want {
  /** Logits after the last id, after all, or hidden states in their place. Default "last". */
  readonly logits?: "last" | "all" | "none";
  /** How much the memory wrote at each position. Default false. */
  readonly sizes?: boolean;
}

/** How much the memory wrote at each position, [n] each. */
export interface WriteSizes {
  /** L2 length of what was added to the stream. */
  readonly written: Float32Array;
  /** L2 length of the stream before. */
  readonly stream: Float32Array;
}

/** What a session tells of the ids that it has read. */
export interface Reading {
  /** [V] after the last id, or [n*V] after each; empty if hidden states were wanted. */
  readonly logits: Float32Array;
  /** After the final norm, [n*D]; empty unless wanted. */
  readonly hidden: Float32Array;
  /** Gates [n] by Engram layer. */
  readonly gates: ReadonlyMap<number, Float32Array>;
  /** Where the memory was read: rows [n, C] by Engram layer. */
  readonly rows: ReadonlyMap<number, Uint32Array>;
  /** Of the backbone and of each of the memory's distributions in the logits, [n, 1+K]; empty without such a memory. */
  readonly mixture: Float32Array;
  /** By Engram layer; empty unless wanted. */
  readonly sizes: ReadonlyMap<number, WriteSizes>;
}

/** Readings of pieces, one behind the other, as one. */
export function joinReadings(pieces: readonly Reading[], want: Want): Reading {
  const last = pieces.at(-1)!;
  if (pieces.length === 1) return last;
  const join = (pick: (piece: Reading) => Float32Array): Float32Array => joined(pieces.map(pick));
  return {
    logits: want.logits === "all" ? join(({ logits }) => logits) : last.logits,
    hidden: join(({ hidden }) => hidden),
    gates: mapValues(last.gates, (layer) => join(({ gates }) => gates.get(layer)!)),
    rows: mapValues(last.rows, (layer) => joined(pieces.map(({ rows }) => rows.get(layer)!))),
    mixture: join(({ mixture }) => mixture),
    sizes: mapValues(last.sizes, (layer) => ({
      written: join(({ sizes }) => sizes.get(layer)!.written),
      stream: join(({ sizes }) => sizes.get(layer)!.stream),
    })),
  };
}

export function mapValues<From, To>(
  map: ReadonlyMap<number, From>,
  valueOf: (key: number, value: From) => To,
): Map<number, To> {
  return new Map(Array.from(map, ([key, value]) => [key, valueOf(key, value)]));
}

function joined<Numbers extends Float32Array | Uint32Array>(pieces: readonly Numbers[]): Numbers {
  const [first] = pieces as readonly [Numbers];
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const all = new (first.constructor as new (length: number) => Numbers)(length);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
