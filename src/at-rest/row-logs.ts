/**
 * How a checkpoint refers to a table whose rows are in a log beside it (docs/format.md, "Out-of-core tables").
 * Knows names and a part of state.json; opens nothing.
 */
import { recordOf } from "../json-values.ts";

/** An entry of "logs" in state.json: the log that a checkpoint's map belongs to, and the map's checksum, as hexadecimal digits. */
export interface RowLogState {
  readonly layerId: number;
  readonly log: string;
  readonly mapSum: string;
}

export function isRowLogState(value: unknown): value is RowLogState {
  const { layerId, log, mapSum } = recordOf(value);
  const isHex = (text: unknown): boolean => typeof text === "string" && /^[0-9a-f]+$/.test(text);
  return Number.isInteger(layerId) && isHex(log) && isHex(mapSum);
}

/** Tensor of state.safetensors with the slot of each row in the log. */
export function rowMapName(layerId: number): string {
  return `rows.${layerId}`;
}

/** The row log of a layer. It lies beside the checkpoints that refer to it. */
export function rowLogName(layerId: number): string {
  return `layer-${layerId}.rows`;
}
