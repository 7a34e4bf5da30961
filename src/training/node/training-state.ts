/**
 * A training state as checkpoint files: weights and optimizer state as flat arrays, each table and its
 * moments as tensors of their own, and a JSON description that says what they belong to. Restoring
 * gives back every bit, so a resumed run continues as if it had never stopped.
 *
 *     state.json            step, seed, fingerprint of data and recipe; logs of tables out of core
 *     state.safetensors     "params", "m", "v" [P] F32; "table.L" [rows,d] F32; "moments.L" [rows] F32, or,
 *                           for a table out of core, "rows.L" [rows] I32: where each row is in its log;
 *                           "counts.L" [rows] U8: how often each row was used (`countUses`)
 *     tokenizer.json
 */
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
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
import type { SavedTable, TableState, TrainedTable } from "./trained-table.ts";

export interface CheckpointContents {
  readonly step: number;
  /** Everything that must be the same for the run to go on: compared as JSON on resume. */
  readonly identity: object;
  readonly tokenizer: string;
  readonly arrays: FlatArrays;
  readonly tables: readonly TrainedTable[];
}

const stateName = "state.json";
const tensorsName = "state.safetensors";

function flat(name: string, data: Float32Array): TensorSource {
  return tensorSource({ name, dtype: "F32", shape: [data.length] }, data);
}

function bytesOf(data: Float32Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/**
 * 2: tables learn by row-wise Adagrad in units of the batch; moments of version 1 mean something else.
 * 3: uses of rows are counted. Version 2 is read, too: all that learns is the same, and uses are counted from there on.
 */
const stateVersion = 3;
const oldestVersion = 2;

/** Two are kept: the newest, and the one before it in case the newest is lost with its disk block. */
export async function saveTrainingState(
  root: string,
  { step, identity, tokenizer, arrays, tables }: CheckpointContents,
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
      const contents = { version: stateVersion, step, identity, ...(logs.length > 0 && { logs }) };
      const state = `${JSON.stringify(contents, undefined, 1)}\n`;
      await writeDurably(join(directory, stateName), (file) => file.writeFile(state));
    },
  });
  const kept = (await listCheckpoints(root)).map(({ path }) => path);
  for (const table of tables) table.committed(checkpoint.path, kept);
  return checkpoint;
}

/** The tokenizer of a checkpoint; needed before anything else, because sizes depend on it. */
export async function readCheckpointTokenizer({ path }: Checkpoint): Promise<string> {
  return readFile(join(path, "tokenizer.json"), "utf8");
}

/** Fills arrays and tables from a checkpoint. Throws `InvalidConfigError` naming what differs if it was
 *  made by another recipe, seed or text. */
export async function restoreTrainingState(
  { path, step }: Checkpoint,
  { identity, arrays, tables }: Omit<CheckpointContents, "step" | "tokenizer">,
): Promise<void> {
  const state = await readState(path);
  if (!(state.version >= oldestVersion && state.version <= stateVersion))
    throw new FormatError(
      `${path}: expected a checkpoint of version ${oldestVersion} to ${stateVersion}, it has ${state.version}; finish that run ` +
        "with the release that began it, or train into another --out",
    );
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
  if (state.logs === undefined) return;
  for (const other of await listCheckpoints(dirname(path))) {
    if (other.path === path) continue;
    await using tensors = await SafetensorsFile.open(join(other.path, tensorsName));
    const otherState = await readState(other.path);
    for (const table of tables)
      await table.hold(savedTable(other.path, { file: tensors, state: otherState, table }));
  }
}

interface StateFile {
  readonly version: number;
  readonly step: number;
  readonly identity: Record<string, unknown>;
  /** Of tables kept out of core. */
  readonly logs?: readonly TableState[];
}

async function readState(path: string): Promise<StateFile> {
  return JSON.parse(await readFile(join(path, stateName), "utf8")) as StateFile;
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
