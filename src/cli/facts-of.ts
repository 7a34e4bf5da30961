/** What a model was taught, opened without the model: for commands that list, forget and go back. */
import { FactStore } from "../facts/index.ts";
import { type MemoryPlace, openFactLog } from "../facts/node/index.ts";

/** Closed by the caller. Reads any vocabulary's facts. */
export async function openFactsOf(model: string, place: MemoryPlace): Promise<FactStore> {
  const log = await openFactLog(model, place);
  return new FactStore({ log, records: await log.read() });
}
