/**
 * A training state as checkpoint files: weights and optimizer state as flat arrays, each table and its
 * moments as tensors of their own, and a JSON description that says what they belong to. Restoring
 * gives back every bit, so a resumed run continues as if it had never stopped.
 *
 *     state.json            step, seed, fingerprint of data and recipe; logs of tables out of core; sums of
 *                           the run's files that do not lie in the checkpoint, as they were then
 *     state.safetensors     "params", "m", "v" [P] F32; "table.L" [rows,d] F32; "moments.L" [rows] F32, or,
 *                           for a table out of core, "rows.L" [rows] I32: where each row is in its log;
 *                           "counts.L" [rows] U8: how often each row was used (`countUses`)
 *     tokenizer.json
 */
import { join } from "node:path";
import { type FileRecord } from "../../checkpoint/index.ts";
import {
  type Checkpoint,
  listCheckpoints,
  SafetensorsFile,
  saveCheckpoint,
  tensorSource,
  type TensorSource,
  writeDurably,
  writeSafetensors,
} from "../../checkpoint/node/index.ts";
import { FormatError, InvalidConfigError } from "../../errors.ts";
import type { FlatArrays } from "../optimizer.ts";
import { checkVersion, readState, type StateFile, writeState } from "./state-file.ts";
import type { SavedTable, TrainedTable } from "./trained-table.ts";

export interface CheckpointContents {
  readonly step: number;
  /** Everything that must be the same for the run to go on: compared as JSON on resume. */
  readonly identity: object;
  readonly tokenizer: string;
  readonly arrays: FlatArrays;
  readonly tables: readonly TrainedTable[];
  /** Files of the run that lie elsewhere, by name. */
  readonly beside?: ReadonlyMap<string, FileRecord>;
}

export const tensorsName = "state.safetensors";

function flat(name: string, data: Float32Array): TensorSource {
  return tensorSource({ name, dtype: "F32", shape: [data.length] }, data);
}

function bytesOf(data: Float32Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Two are kept: the newest, and the one before it in case the newest is lost with its disk block. */
export async function saveTrainingState(
  root: string,
  { step, identity, tokenizer, arrays, tables, beside = new Map() }: CheckpointContents,
): Promise<Checkpoint> {
  const checkpoint = await saveCheckpoint(root, {
    step,
    keep: 2,
    write: async (directory) => {
      const snapshots = await Promise.all(tables.map((table) => table.snapshot()));
      await writeDurably(join(directory, "tokenizer.json"), (file) => file.writeFile(tokenizer));
      await writeSafetensors(join(directory, tensorsName), [
        flat("params", arrays.params),
        flat("m", arrays.m),
        flat("v", arrays.v),
        ...snapshots.flatMap(({ tensors }) => tensors),
      ]);
      const logs = snapshots.flatMap((snapshot) => snapshot.state() ?? []);
      await writeState(directory, { step, identity, logs, beside });
    },
  });
  const kept = (await listCheckpoints(root)).map(({ path }) => path);
  for (const table of tables) table.committed(checkpoint.path, kept);
  return checkpoint;
}

/** Fills arrays and tables from a checkpoint. Throws `InvalidConfigError` naming what differs if it was
 *  made by another recipe, seed or text. */
export async function restoreTrainingState(
  { path, step }: Checkpoint,
  { identity, arrays, tables }: Pick<CheckpointContents, "identity" | "arrays" | "tables">,
): Promise<void> {
  const state = await readState(path);
  checkVersion(path, state);
  if (state.step !== step)
    throw new FormatError(`${path}: expected the state of step ${step}, it is of ${state.step}`);
  const now = JSON.parse(JSON.stringify(identity)) as Record<string, unknown>;
  // Another rule matters only where it gives another text.
  const rules = { was: state.identity["holdOut"], now: now["holdOut"] };
  const difference = firstDifference(
    { ...state.identity, holdOut: undefined },
    { ...now, holdOut: undefined },
    "",
  );
  if (difference?.endsWith(ANOTHER_TEXT) && rules.now !== rules.was && rules.now !== undefined)
    throw new InvalidConfigError(
      `cannot resume from ${path}: documents were held out by another rule when this run was begun ` +
        `(${JSON.stringify(rules.was ?? "by their id or their place")}; now ${JSON.stringify(rules.now)}), or the text is ` +
        "another; finish the run with the release that began it, or train into another --out",
    );
  if (difference !== undefined)
    throw new InvalidConfigError(
      `cannot resume from ${path}: ${difference}; use the same settings and text, or another --out`,
    );
  await using file = await SafetensorsFile.open(join(path, tensorsName));
  for (const [name, data] of Object.entries({ params: arrays.params, m: arrays.m, v: arrays.v })) {
    const into = bytesOf(data);
    await file.readRange(name, { begin: 0, end: into.length, into });
  }
  for (const table of tables) await table.restore(savedTable(path, { file, state, table }));
}

/** Keeps another checkpoint whole while the run goes on: rows that it refers to are not written over. */
export async function holdTrainingState(
  { path }: Checkpoint,
  tables: readonly TrainedTable[],
): Promise<void> {
  const state = await readState(path);
  if (state.logs === undefined) return;
  await using file = await SafetensorsFile.open(join(path, tensorsName));
  for (const table of tables) await table.hold(savedTable(path, { file, state, table }));
}

function savedTable(
  path: string,
  { file, state, table }: { file: SafetensorsFile; state: StateFile; table: TrainedTable },
): SavedTable {
  const own = state.logs?.find(({ layerId }) => layerId === table.layerId);
  return { path, tensors: file, state: own, hasUses: state.version >= 3 };
}

const ANOTHER_TEXT = "is another";

/** Where two JSON values differ first, in words: "recipe.steps was 6, now 7". */
function firstDifference(before: unknown, now: unknown, at: string): string | undefined {
  if (isObject(before) && isObject(now)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(now)])) {
      const found = firstDifference(before[key], now[key], at === "" ? key : `${at}.${key}`);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (before === now) return undefined;
  if (at === "text") return `the training text ${ANOTHER_TEXT}`;
  if (at === "heldOut") return `the text to measure on ${ANOTHER_TEXT}`;
  return `${at} was ${JSON.stringify(before)}, now ${JSON.stringify(now)}`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
