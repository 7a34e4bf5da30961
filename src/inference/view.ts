/**
 * How a model is read: with which memory, and how much of it. Sessions, forks and cached prefixes carry it,
 * and what was computed under one view is never used under another. Knows which inputs of a graph say it; no ids.
 */
import { RequestError } from "../errors.ts";
import type { Memory } from "../memory/memory.ts";
import { io, type MemoryInputs } from "../model/index.ts";
import type { Values } from "../tensor/index.ts";
import type { LanguageModel } from "./language-model.ts";

export interface View {
  /** In place of the model's own, and with the same inputs. Undefined for a model without. */
  readonly memory: Memory | undefined;
  /** Multiplies what the memory adds: 1 as trained, 0 as without. */
  readonly scale: number;
  /** By layer, in place of what the gate computes at each position: 0..1. Default: as trained. */
  readonly gates?: ReadonlyMap<number, number> | undefined;
}

/** The view with what is not said of it as trained. Throws `RequestError` for gates that the model does not have. */
export function viewOf({ memory, config }: LanguageModel, view: Partial<View> = {}): View {
  const layerIds = config.engram?.layerIds ?? [];
  for (const [layer, gate] of view.gates ?? [])
    if (!layerIds.includes(layer) || !(gate >= 0 && gate <= 1))
      throw new RequestError(
        `a gate is set to 0..1 in a layer that has one (${layerIds.join(", ") || "none has"}), got ${gate} in layer ${layer}`,
      );
  return { memory, scale: 1, ...view };
}

/** Whether the same ids have the same hidden states under both. */
export function sameView(one: View, other: View): boolean {
  return (
    one.scale === other.scale &&
    one.memory?.identity === other.memory?.identity &&
    sameGates(one.gates, other.gates)
  );
}

function sameGates(one: View["gates"] = new Map(), other: View["gates"] = new Map()): boolean {
  return one.size === other.size && [...one].every(([layer, gate]) => other.get(layer) === gate);
}

/** The inputs that a graph needs, so that its rows can be read under these views. */
export function controlsOf(views: readonly View[]): Required<MemoryInputs> {
  return {
    scaled: views.some(({ scale }) => scale !== 1),
    gated: views.some(({ gates }) => gates !== undefined && gates.size > 0),
  };
}

/** Sets those of these inputs that are there, in rows `from`..`to`-1. */
export function setControls(
  inputs: Values,
  { scale, gates }: View,
  { from, to, layers }: { from: number; to: number; layers: Iterable<number> },
): void {
  inputs[io.scale]?.data.fill(scale, from, to);
  for (const layer of layers)
    inputs[io.heldGate(layer)]?.data.fill(gates?.get(layer) ?? OWN_GATE, from, to);
}

/** Says that a layer's gate is what it computes (`MemoryInputs`). */
const OWN_GATE = -1;
