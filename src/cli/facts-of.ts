/** What a model was taught, opened without the model: for commands that list, forget and go back. */
import { FactStore } from "../facts/index.ts";
import { FactLogFile, memoryPlace } from "../facts/node/index.ts";

/** Closed by the caller. Reads any vocabulary's facts. */
export async function openFactsOf(
  model: string,
  { memoryDir }: { memoryDir?: string | undefined },
): Promise<FactStore> {
  const log = new FactLogFile(memoryDir ?? (await memoryPlace(model)));
  return new FactStore({ log, records: await log.read() });
}
