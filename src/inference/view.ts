/**
 * How a model is read: with which memory, and how much of it. Sessions, forks and cached prefixes carry it,
 * and what was computed under one view is never used under another. Knows no graphs and no ids.
 */
import type { Memory } from "../memory/memory.ts";

export interface View {
  /** In place of the model's own, and with the same inputs. Undefined for a model without. */
  readonly memory: Memory | undefined;
  /** Multiplies what the memory adds: 1 as trained, 0 as without. */
  readonly scale: number;
}

/** Whether the same ids have the same hidden states under both. */
export function sameView(one: View, other: View): boolean {
  return one.scale === other.scale && one.memory?.identity === other.memory?.identity;
}
