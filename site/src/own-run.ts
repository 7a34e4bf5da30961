/** The run that trained the site's model, if its log was saved with it. Loaded, and read, when somebody asks for runs. */
import type { ByteSource } from "../../src/bytes/index.ts";
import { savedFiles } from "../../src/checkpoint/index.ts";
import { type FinishedRun, finishedRun } from "../../src/training/index.ts";

/** Bytes. A line a step is some 200: of a log of 100,000 steps there is enough. */
const MOST = 2 ** 25;

/** Throws `FormatError` for files that are not what was saved, and `StoreError` where they do not come. */
export async function ownRun(source: ByteSource, name: string): Promise<FinishedRun | undefined> {
  const read = await savedFiles(source);
  const log = await read("metrics.jsonl", MOST);
  if (log === undefined) return undefined;
  const text = async (file: string): Promise<string | undefined> => {
    const bytes = await read(file, MOST);
    return bytes && new TextDecoder().decode(bytes);
  };
  const [record, result] = await Promise.all([text("run.json"), text("training.json")]);
  return finishedRun(name, { log, record, result });
}
