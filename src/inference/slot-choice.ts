/**
 * Where a new prompt goes: which slot, whose cache it may take over, and what is worth keeping. Pure:
 * looks at slots, changes none.
 *
 * Running generations sit in the lowest slots, since a run covers all slots up to the highest one in
 * use; the free ones above keep what has been read before.
 */
import type { Session } from "./session.ts";

export interface SlotView {
  readonly session: Pick<Session, "ids" | "length" | "scale">;
  readonly isFree: boolean;
  readonly lastUse: number;
}

export interface Place {
  readonly slot: number;
  /** Tokens of the prompt that need not be read. */
  readonly prefix: number;
  /** The slot that has them, `slot` itself included. */
  readonly from: number;
  /** A free slot to which `slot`'s present content should be copied first. */
  readonly keepIn?: number;
}

/** Shorter texts are read again as fast as they are kept. */
const worthKeeping = 16;

export interface PlaceOptions {
  /** At least one of them is free. */
  readonly slots: readonly SlotView[];
  readonly scale: number;
  readonly mayReuse: boolean;
}

export function choosePlace(
  promptIds: readonly number[],
  { slots, scale, mayReuse }: PlaceOptions,
): Place {
  const slot = slots.findIndex(({ isFree }) => isFree);
  let from = slot;
  let prefix = 0;
  if (mayReuse)
    for (const [i, { session }] of slots.entries()) {
      if (session.scale !== scale) continue;
      const length = commonPrefix(session.ids, promptIds);
      if (length > prefix) [from, prefix] = [i, length];
    }
  const { session, lastUse } = slots[slot]!;
  if (session.length - (from === slot ? prefix : 0) < worthKeeping) return { slot, prefix, from };
  const others = slots
    .map((view, i) => ({ ...view, i }))
    .filter(({ isFree, i }) => isFree && i !== slot && i !== from);
  const oldest = others.toSorted((a, b) => a.lastUse - b.lastUse || b.i - a.i)[0];
  if (oldest === undefined || oldest.lastUse > lastUse) return { slot, prefix, from };
  return { slot, prefix, from, keepIn: oldest.i };
}

/** Never the whole prompt: its last token must be read for the logits after it. */
function commonPrefix(ids: readonly number[], promptIds: readonly number[]): number {
  const most = Math.min(ids.length, promptIds.length - 1);
  let length = 0;
  while (length < most && ids[length] === promptIds[length]) length++;
  return length;
}
