/**
 * A view of a model: which memory it reads, and how much of it. Sessions, forks and cached prefixes carry their view.
 * Results of one view are never reused under another. Knows the inputs of a graph that a view sets; no ids.
 */
import { RequestError } from "../errors.ts";
import { type Memory, statesIdentity } from "../memory/memory.ts";
import { io, type MemoryInputs } from "../model/index.ts";
import type { Values } from "../tensor/index.ts";
import type { LanguageModel } from "./language-model.ts";
import { checkMixture, type MixtureView } from "./mixture.ts";

/** How a session reads the memory. */
export interface View {
  /** Replaces the model's memory; has the same inputs. Undefined for a model without memory. */
  readonly memory: Memory | undefined;
  /** Multiplies what the memory adds: 1 as trained, 0 as without. */
  readonly scale: number;
  /** Fixed gates by layer, 0..1, instead of the computed ones. Default: none. */
  readonly gates?: ReadonlyMap<number, number> | undefined;
  /** How the memory's own distributions are weighed, for a memory that has some. Default: as trained. */
  readonly mixture?: MixtureView | undefined;
  /** Prefixes are reused within one partition only: whoever must not notice what others have read has one. */
  readonly partition?: string | undefined;
}

/**
 * A whole view; parts that are not given are as trained. Throws `RequestError` for gates and distributions that the
 * model does not have.
 */
export function viewOf({ memory, config }: LanguageModel, view: Partial<View> = {}): View {
  const layerIds = config.engram?.layerIds ?? [];
  for (const [layer, gate] of view.gates ?? [])
    if (!layerIds.includes(layer) || !(gate >= 0 && gate <= 1))
      throw new RequestError(
        `a gate is set to 0..1 in a layer that has one (${layerIds.join(", ") || "none has"}), got ${gate} in layer ${layer}`,
      );
  const whole = { memory, scale: 1, ...view };
  if (view.mixture !== undefined) checkMixture(view.mixture, whole.memory?.numDistributions ?? 0);
  return whole;
}

/** How many of the first `ids` have the same hidden states under both. */
export function sharedPrefix(one: View, other: View, ids: ArrayLike<number>): number {
  const isSame =
    one.partition === other.partition &&
    one.scale === other.scale &&
    sameGates(one.gates, other.gates) &&
    JSON.stringify(one.mixture ?? {}) === JSON.stringify(other.mixture ?? {});
  return isSame ? agreement(one.memory, other.memory, ids) : 0;
}

/** Of a memory and another that may wrap it, or the other way round. */
function agreement(
  one: Memory | undefined,
  other: Memory | undefined,
  ids: ArrayLike<number>,
): number {
  if (statesIdentity(one) === statesIdentity(other)) return ids.length;
  if (one?.agreement !== undefined) return one.agreement(other, ids);
  return other?.agreement?.(one, ids) ?? 0;
}

function sameGates(one: View["gates"] = new Map(), other: View["gates"] = new Map()): boolean {
  return one.size === other.size && [...one].every(([layer, gate]) => other.get(layer) === gate);
}

/** The inputs that a graph needs, so that its rows can be read under these views. */
export function controlsOf(views: readonly View[]): Required<Omit<MemoryInputs, "overlays">> {
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
