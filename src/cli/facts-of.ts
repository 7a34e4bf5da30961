/** What a model was taught, opened without the model: for commands that list, forget and go back. Says what was learned. */
import { FactStore, type LearnedSize } from "../facts/index.ts";
import { type MemoryPlace, openFactLog } from "../facts/node/index.ts";

/** Closed by the caller. Reads any vocabulary's facts. */
export async function openFactsOf(model: string, place: MemoryPlace): Promise<FactStore> {
  const log = await openFactLog(model, place);
  return new FactStore({ log, records: await log.read() });
}

/** How much a scope has learned from what was read. */
export function amountOf({ texts, tokens }: LearnedSize): string {
  return `${tokens} tokens of ${texts === 1 ? "1 text that was" : `${texts} texts that were`} read`;
}
