/**
 * What a memory adds to the residual stream itself (`StreamWrite`), as inputs of a run. Knows layers and positions; not
 * why something is written there.
 */
import type { Addresses } from "../memory/memory.ts";
import { io } from "../model/index.ts";
import type { Values } from "../tensor/index.ts";

/** What was addressed, for the positions of a run from `first` on. */
export interface Addressed {
  readonly at: Addresses;
  readonly first: number;
}

/** Layers before which something is added to the stream, ascending. None: the graph has no such input. */
export function layersWritten(addressed: readonly Addressed[]): number[] {
  const layers = addressed.flatMap(({ at: { writes = [] } }) => writes.map((one) => one.layerId));
  return [...new Set(layers)].toSorted((a, b) => a - b);
}

/** Puts what is written where its positions stand, and zeros elsewhere. */
export function fillOverlays(inputs: Values, addressed: readonly Addressed[]): void {
  const dataOf = (layer: number): Float32Array => inputs[io.overlay(layer)]!.data as Float32Array;
  for (const layer of layersWritten(addressed)) dataOf(layer).fill(0);
  for (const { at, first } of addressed)
    for (const { position, layerId, vector } of at.writes ?? [])
      dataOf(layerId).set(vector, (first + position) * vector.length);
}
