/**
 * The tables of a checkpoint whose rows are in logs beside it (a run with `--table-memory`), opened to read. The run may
 * go on meanwhile: as long as the checkpoint is on disk, its rows are not overwritten. Once it is gone, reads fail.
 */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { openSafetensors, readJsonInside } from "../../checkpoint/node/index.ts";
import { FormatError, StoreError } from "../../errors.ts";
import { openLoggedRows } from "../../memory/stores/out-of-core/node/index.ts";
import { isRowLogState, rowLogName, type RowLogState } from "../row-logs.ts";
import type { OpenElsewhere } from "../web-tables.ts";
import { readRowMap } from "./row-map.ts";

/** Undefined unless `directory` is a checkpoint that refers to row logs. Throws `FormatError` for a damaged one. */
export async function checkpointTables(directory: string): Promise<OpenElsewhere | undefined> {
  const stateFile = join(directory, "state.json");
  const version = await versionOf(stateFile);
  const logs = await readLogs(stateFile);
  if (logs === undefined) return undefined;
  const maps = new Map<RowLogState, Promise<Uint32Array>>();
  const readMap = async (state: RowLogState, numRows: number): Promise<Uint32Array> => {
    await using tensors = await openSafetensors(join(directory, "state.safetensors"));
    const map = new Uint32Array(numRows);
    await readRowMap(directory, { tensors, state, map });
    return map;
  };
  return async ({ expected: { layerId, numRows, headDim } }) => {
    const state = logs.find((log) => log.layerId === layerId);
    if (state === undefined) return undefined;
    const reading = maps.get(state) ?? readMap(state, numRows);
    maps.set(state, reading);
    const slots = await reading;
    const store = await openLoggedRows(join(directory, "..", rowLogName(state.layerId)), {
      identity: Buffer.from(state.log, "hex"),
      slots,
      rowBytes: 4 * headDim,
      checkKept: async () => {
        if ((await versionOf(stateFile)) === version) return;
        throw new StoreError(
          `${directory} was removed or replaced by its run, which may have overwritten its rows; open a newer checkpoint`,
        );
      },
    });
    return { store, format: "f32", tier: "disk" };
  };
}

async function readLogs(file: string): Promise<readonly RowLogState[] | undefined> {
  const state = await readJsonInside(file).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  });
  const { logs } = { ...(state as { logs?: unknown } | undefined) };
  if (logs === undefined) return undefined;
  if (Array.isArray(logs) && logs.every(isRowLogState)) return logs;
  throw new FormatError(`${file}: expected the logs of tables under "logs"`);
}

/** Tells a file from one that was put in its place later; "" if there is none. */
async function versionOf(file: string): Promise<string> {
  const found = await stat(file).catch(() => undefined);
  return found === undefined ? "" : `${found.dev} ${found.ino} ${found.mtimeMs} ${found.size}`;
}
