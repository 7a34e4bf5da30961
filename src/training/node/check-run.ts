/**
 * Whether everything that a checkpoint refers to outside of itself is as it was: records of row logs, and the run's own
 * files as far as they had come. Reads only; checkpoints' own files are `checkpoint`'s business.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type FileRecord } from "../../checkpoint/index.ts";
import { findDamageIn, SafetensorsFile } from "../../checkpoint/node/index.ts";
import { FormatError, StoreError } from "../../errors.ts";
import { checkRowLog } from "../../memory/stores/out-of-core/node/index.ts";
import { readState } from "./state-file.ts";
import { rowLogName, rowsName } from "./trained-table.ts";
import { tensorsName } from "./training-state.ts";

export interface ReferenceCheck {
  /** Name beside the checkpoint. */
  readonly file: string;
  /** What is wrong with it; undefined: nothing. */
  readonly damage: string | undefined;
}

/** The row logs that the checkpoint at `path` refers to; they lie in the directory that it lies in. */
export async function* checkRowLogs(
  path: string,
  options: { readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<ReferenceCheck> {
  const { logs = [] } = await readState(path);
  await using tensors = await SafetensorsFile.open(join(path, tensorsName));
  for (const { layerId, log } of logs) {
    const file = rowLogName(layerId);
    try {
      const map = await tensors.read(rowsName(layerId));
      const references = { identity: Buffer.from(log, "hex"), slots: new Uint32Array(map.buffer) };
      await checkRowLog(join(path, "..", file), references, options);
      yield { file, damage: undefined };
    } catch (error) {
      if (!(error instanceof FormatError || error instanceof StoreError)) throw error;
      yield { file, damage: error.message };
    }
  }
}

/** What is wrong with a file of the run that has grown since the checkpoint was saved. */
export async function checkGrownFile(
  file: string,
  record: FileRecord,
): Promise<string | undefined> {
  const bytes = await readFile(file).catch(() => undefined);
  const [damage] = findDamageIn(bytes?.subarray(0, record.bytes), record);
  return damage?.text;
}
