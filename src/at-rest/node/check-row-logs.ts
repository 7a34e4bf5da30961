/**
 * Whether the row logs that a checkpoint refers to still have every record that it needs. Reads only.
 */
import { join } from "node:path";
import { openSafetensors } from "../../checkpoint/node/index.ts";
import { FormatError, StoreError } from "../../errors.ts";
import { checkRowLog } from "../../memory/stores/out-of-core/node/index.ts";
import { rowLogName, type RowLogState, rowMapName } from "../row-logs.ts";

export interface RowLogCheck {
  /** Name beside the checkpoint. */
  readonly file: string;
  /** What is wrong with it; undefined: nothing. */
  readonly damage: string | undefined;
}

/** `logs` are those of the state.json of the checkpoint at `path`. They lie in the directory that it lies in. */
export async function* checkRowLogs(
  path: string,
  {
    logs,
    signal,
  }: { readonly logs: readonly RowLogState[]; readonly signal?: AbortSignal | undefined },
): AsyncGenerator<RowLogCheck> {
  await using tensors = await openSafetensors(join(path, "state.safetensors"));
  for (const { layerId, log } of logs) {
    const file = rowLogName(layerId);
    try {
      const map = await tensors.read(rowMapName(layerId));
      const references = { identity: Buffer.from(log, "hex"), slots: new Uint32Array(map.buffer) };
      await checkRowLog(join(path, "..", file), references, { signal });
      yield { file, damage: undefined };
    } catch (error) {
      if (!(error instanceof FormatError || error instanceof StoreError)) throw error;
      yield { file, damage: error.message };
    }
  }
}
