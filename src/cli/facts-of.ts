/** What a model was taught, opened without the model: for commands that list, forget and go back. Says what was learned. */
import { FactStore, type LearnedSize } from "../facts/index.ts";
import { type MemoryPlace, openFactLog } from "../facts/node/index.ts";
import { openFilesAt } from "../load-model.ts";

/** Closed by the caller. Reads any vocabulary's facts. Throws what opening the model would where there are none, and no model. */
export async function openFactsOf(model: string, place: MemoryPlace): Promise<FactStore> {
  const log = await openFactLog(model, place);
  const records = await log.read();
  // "Nothing is forgotten" would be half the truth. What was taught can be had although its model is damaged.
  if (records.length === 0 && place.memoryDir === undefined && place.memoryUrl === undefined)
    await (await openFilesAt(model)).close();
  return new FactStore({ log, records });
}

/** "1 fact", "2 facts". */
export function numberOf(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/** How much a scope has learned from what was read. */
export function amountOf({ texts, tokens }: LearnedSize): string {
  return `${numberOf(tokens, "token")} of ${numberOf(texts, "text")} that ${texts === 1 ? "was" : "were"} read`;
}
