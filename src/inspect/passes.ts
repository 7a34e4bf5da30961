/**
 * Reads the same ids twice, with the memory as asked for and without it. Gives the loss of every token and the
 * probabilities of the next one for both, and gates, rows and sizes of what was written. Sequences longer than the
 * context are read in the windows that a `Scorer` uses. Knows ids; no text.
 */
import { logProbsOf, type Reading as PieceReading, windowStarts } from "../inference/index.ts";
import type { Model } from "../opened-model.ts";
import { type Ablation, withoutParts } from "../memory/index.ts";

export interface PassOptions {
  readonly scale: number;
  readonly ablate: Ablation;
  /** How many of the most likely next tokens to give for each reading. */
  readonly top: number;
  readonly signal?: AbortSignal | undefined;
}

/** What was measured when one id was read. */
export interface Reading {
  /** ln p of the next id, with the memory as asked for and without; null after the last id. */
  readonly next: { readonly on: number; readonly off: number } | null;
  readonly top: readonly { readonly id: number; readonly on: number; readonly off: number }[];
  /** By Engram layer. */
  readonly layers: ReadonlyMap<number, LayerReading>;
  /** [1+K] Of a memory with counts: weights of the backbone and of each distribution. Empty without one. */
  readonly mixture: Float32Array;
}

export interface LayerReading {
  readonly gate: number;
  readonly written: number;
  readonly stream: number;
  /** [C] */
  readonly rows: Uint32Array;
}

/** Ids read at a time. Limits the logits in memory to this many rows of the vocabulary. */
const pieceLength = 64;

/** One reading for each id, in order. */
export async function readBothWays(
  model: Model,
  ids: readonly number[],
  { scale, ablate, top, signal }: PassOptions,
): Promise<Reading[]> {
  const { memory } = model.language;
  const length = model.config.maxPositions;
  const readings: Reading[] = [];
  // What it was taught is no part of the memory that is looked into.
  await using off = model.createSession({ memory: false, scopes: [] });
  await using on =
    memory === undefined
      ? model.createSession({ memory: false, scopes: [] })
      : model.createSession({
          scopes: [],
          view: { scale, memory: withoutParts(memory, ablate) },
        });
  const stride = Math.max(1, length >>> 1);
  // As if one more id followed: the last id is read, too, although nothing after it is scored.
  for (const { start, from } of windowStarts(ids.length + 1, { length, stride })) {
    on.rewind(0);
    off.rewind(0);
    const window = ids.slice(start, start + length);
    for (let at = 0; at < window.length; at += pieceLength) {
      signal?.throwIfAborted();
      const piece = window.slice(at, at + pieceLength);
      const inUse = await on.append(piece, { logits: "all", sizes: true });
      const without = await off.append(piece, { logits: "all" });
      for (let i = Math.max(0, from - at); i < piece.length; i++)
        readings.push(
          readingOf({
            on: rowOf(inUse.logits, i, piece.length),
            off: rowOf(without.logits, i, piece.length),
            following: ids[start + at + i + 1],
            top,
            layers: layersAt(inUse, i, piece.length),
            mixture: rowOf(inUse.mixture, i, piece.length),
          }),
        );
    }
  }
  return readings;
}

function rowOf(logits: Float32Array, i: number, rows: number): Float32Array {
  const width = logits.length / rows;
  return logits.subarray(i * width, (i + 1) * width);
}

function layersAt(reading: PieceReading, i: number, count: number): Map<number, LayerReading> {
  const layers = new Map<number, LayerReading>();
  for (const [layer, gates] of reading.gates) {
    const rows = reading.rows.get(layer)!;
    const columns = rows.length / count;
    const { written, stream } = reading.sizes.get(layer)!;
    layers.set(layer, {
      gate: gates[i]!,
      written: written[i]!,
      stream: stream[i]!,
      rows: rows.slice(i * columns, (i + 1) * columns),
    });
  }
  return layers;
}

function readingOf({
  on,
  off,
  following,
  top,
  layers,
  mixture,
}: {
  on: Float32Array;
  off: Float32Array;
  following: number | undefined;
  top: number;
  layers: Map<number, LayerReading>;
  mixture: Float32Array;
}): Reading {
  const id = following ?? 0;
  const inUse = logProbsOf(on, { id, top });
  const without = logProbsOf(off, { id, top });
  const shift = { on: inUse.logProb - on[id]!, off: without.logProb - off[id]! };
  const ids = new Set([...inUse.top, ...without.top].map((entry) => entry.id));
  return {
    next: following === undefined ? null : { on: inUse.logProb, off: without.logProb },
    top: [...ids]
      .map((each) => ({ id: each, on: on[each]! + shift.on, off: off[each]! + shift.off }))
      .toSorted((a, b) => Math.max(b.on, b.off) - Math.max(a.on, a.off)),
    layers,
    mixture: mixture.slice(),
  };
}
