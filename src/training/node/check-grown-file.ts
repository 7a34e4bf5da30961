/** Whether the beginning of a run's own file is as it was when a checkpoint was saved. Reads only. */
import { readFile } from "node:fs/promises";
import { type FileRecord, findDamageIn } from "../../checkpoint/index.ts";

/** What is wrong with a file of the run that has grown since the checkpoint was saved. */
export async function checkGrownFile(
  file: string,
  record: FileRecord,
): Promise<string | undefined> {
  const bytes = await readFile(file).catch(() => undefined);
  const [damage] = findDamageIn(bytes?.subarray(0, record.bytes), record);
  return damage?.text;
}
