/**
 * Slot assignment: which slot a new prompt gets, which cached prefix it reuses, and which cache to keep. Pure:
 * changes no slot.
 *
 * Running generations get the lowest slots, because a run covers all slots up to the highest one in use. The free
 * slots above keep the caches of finished ones.
 */
import { commonPrefix, type Session } from "./session.ts";
import { sharedPrefix, type View } from "./view.ts";

export interface SlotView {
  readonly session: Pick<Session, "ids" | "length" | "view">;
  readonly isFree: boolean;
  /** Whether others may go on from what it has read. */
  readonly isKept: boolean;
  readonly lastUse: number;
}

export interface Place {
  readonly slot: number;
  /** Tokens of the prompt that the reused cache has. */
  readonly prefix: number;
  /** The slot that has them, `slot` itself included. */
  readonly from: number;
  /** A free slot to which the present content of `slot` should be copied first. */
  readonly keepIn?: number;
}

/** Shorter texts are not worth keeping: they are read again as fast as they are copied. */
const worthKeeping = 16;

export interface PlaceOptions {
  /** At least one of them is free. */
  readonly slots: readonly SlotView[];
  readonly view: View;
  readonly mayReuse: boolean;
}

export function choosePlace(
  promptIds: readonly number[],
  { slots, view, mayReuse }: PlaceOptions,
): Place {
  const slot = slots.findIndex(({ isFree }) => isFree);
  let from = slot;
  let prefix = 0;
  if (mayReuse)
    for (const [i, { session, isKept }] of slots.entries()) {
      if (!isKept) continue;
      const common = commonPrefix(session.ids, promptIds);
      if (common <= prefix) continue;
      const length = Math.min(common, sharedPrefix(session.view, view, promptIds.slice(0, common)));
      if (length > prefix) [from, prefix] = [i, length];
    }
  const { session, lastUse } = slots[slot]!;
  if (session.length - (from === slot ? prefix : 0) < worthKeeping) return { slot, prefix, from };
  const others = slots
    .map((slotView, i) => ({ ...slotView, i }))
    .filter(({ isFree, i }) => isFree && i !== slot && i !== from);
  const oldest = others.toSorted((a, b) => a.lastUse - b.lastUse || b.i - a.i)[0];
  if (oldest === undefined || oldest.lastUse > lastUse) return { slot, prefix, from };
  return { slot, prefix, from, keepIn: oldest.i };
}
