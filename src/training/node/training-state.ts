/**
 * A training state as checkpoint files: a model directory, which opens like any other, with the optimizer's state
 * beside it and a JSON description that says what all of it belongs to. Restoring is exact, so a resumed run
 * continues as if it had never stopped.
 *
 *     config.json, tokenizer.json
 *     model.safetensors     weights, counts, tables and how often their rows were used, under the names that they will
 *                           have in the finished model; without the rows of a table out of core. Counts are not
 *                           restored: they are counted again. Weights that are not trained are not: they are those of
 *                           the model that the run came from
 *     state.json            step, seed, fingerprint of data and recipe; logs of tables out of core; sums of
 *                           the run's files that do not lie in the checkpoint, as they were then
 *     state.safetensors     "m", "v" [P] F32 of the weights that are trained; "moments.L" [rows] F32, or, for a table out of core, "rows.L" [rows] I32:
 *                           where each row is in its log
 *
 * Before version 4 all tensors were in state.safetensors: weights flat as "params", tables as "table.L", uses as "counts.L".
 */
import { join } from "node:path";
import type { SavedTable, TrainedTable } from "../../at-rest/index.ts";
import {
  type FileRecord,
  type SafetensorsFile,
  tensorSource,
  type TensorSource,
} from "../../checkpoint/index.ts";
import {
  type Checkpoint,
  listCheckpoints,
  openSafetensors,
  saveCheckpoint,
  writeDurably,
  writeSafetensors,
} from "../../checkpoint/node/index.ts";
import { FormatError, InvalidConfigError } from "../../errors.ts";
import type { FlatArrays } from "../optimizer.ts";
import { checkVersion, readState, type StateFile, writeState } from "./state-file.ts";
import { type ParamLayout, paramViews } from "../../model/index.ts";
import type { Values } from "../../tensor/index.ts";

export interface CheckpointContents {
  readonly step: number;
  /** Everything that must be the same for the run to go on: compared as JSON on resume. */
  readonly identity: object;
  /** The contents of config.json. */
  readonly config: object;
  readonly tokenizer: string;
  /** All weights, and those that are trained: views of `arrays.params` by the layout. */
  readonly params: Values;
  readonly layout: ParamLayout;
  readonly arrays: FlatArrays;
  readonly tables: readonly TrainedTable[];
  /** Tensors of the model that are made again of the text when the run is resumed. */
  readonly counts?: readonly (readonly TensorSource[])[] | undefined;
  /** Files of the run that lie elsewhere, by name. */
  readonly beside?: ReadonlyMap<string, FileRecord>;
}

/** What restoring fills, and what it must belong to. */
export type RestoredContents = Pick<
  CheckpointContents,
  "identity" | "layout" | "arrays" | "tables"
>;

const modelName = "model.safetensors";
const tensorsName = "state.safetensors";

function flat(name: string, data: Float32Array): TensorSource {
  return tensorSource({ name, dtype: "F32", shape: [data.length] }, data);
}

/** Two are kept: the newest, and the one before in case the newest gets damaged. */
export async function saveTrainingState(
  root: string,
  contents: CheckpointContents,
): Promise<Checkpoint> {
  const { step, identity, tokenizer, params, arrays, tables, beside = new Map() } = contents;
  const config = `${JSON.stringify(contents.config, undefined, 2)}\n`;
  const checkpoint = await saveCheckpoint(root, {
    step,
    keep: 2,
    write: async (directory) => {
      const snapshots = await Promise.all(tables.map((table) => table.snapshot()));
      await writeDurably(join(directory, "config.json"), (file) => file.writeFile(config));
      await writeDurably(join(directory, "tokenizer.json"), (file) => file.writeFile(tokenizer));
      await writeSafetensors(
        join(directory, modelName),
        [
          ...Object.entries(params).map(([name, { shape, data }]) =>
            tensorSource({ name, dtype: "F32", shape }, data),
          ),
          ...snapshots.flatMap(({ model }) => model),
          ...(contents.counts ?? []).flat(),
        ],
        { format: "pt" },
      );
      await writeSafetensors(join(directory, tensorsName), [
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
  { identity, layout, arrays, tables }: RestoredContents,
): Promise<void> {
  const state = await readState(path);
  checkVersion(path, state);
  if (state.step !== step)
    throw new FormatError(`${path}: expected the state of step ${step}, it is of ${state.step}`);
  const now = JSON.parse(JSON.stringify(identity)) as Record<string, unknown>;
  // Another rule matters only if it gives another text.
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
  await using files = await TensorFiles.open(path, state);
  const weights = files.hasModel
    ? Object.entries(paramViews(layout, arrays.params)).map(([name, { data }]) => ({ name, data }))
    : [{ name: "params", data: arrays.params }];
  for (const { name, data } of weights) await readWhole(files.model, name, data);
  await readWhole(files.state, "m", arrays.m);
  await readWhole(files.state, "v", arrays.v);
  for (const table of tables) await table.restore(savedTable(path, { files, state, table }));
}

async function readWhole(
  file: SafetensorsFile,
  name: string,
  data: Values[string]["data"],
): Promise<void> {
  const into = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  await file.readRange(name, { begin: 0, end: into.length, into });
}

/** Keeps another checkpoint usable while the run continues: the rows that it refers to are not overwritten. */
export async function holdTrainingState(
  { path }: Checkpoint,
  tables: readonly TrainedTable[],
): Promise<void> {
  const state = await readState(path);
  if (state.logs === undefined) return;
  await using files = await TensorFiles.open(path, state);
  for (const table of tables) await table.hold(savedTable(path, { files, state, table }));
}

/** A checkpoint's tensors: of the model, and of its training. Before version 4 they are one file. */
class TensorFiles {
  readonly model: SafetensorsFile;
  readonly state: SafetensorsFile;

  private constructor(model: SafetensorsFile, state: SafetensorsFile) {
    this.model = model;
    this.state = state;
  }

  static async open(path: string, { version }: StateFile): Promise<TensorFiles> {
    const state = await openSafetensors(join(path, tensorsName));
    if (version < 4) return new TensorFiles(state, state);
    try {
      return new TensorFiles(await openSafetensors(join(path, modelName)), state);
    } catch (error) {
      await state.close();
      throw error;
    }
  }

  get hasModel(): boolean {
    return this.model !== this.state;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.state.close();
    if (this.hasModel) await this.model.close();
  }
}

function savedTable(
  path: string,
  { files, state, table }: { files: TensorFiles; state: StateFile; table: TrainedTable },
): SavedTable {
  const { layerId } = table;
  const own = state.logs?.find((log) => log.layerId === layerId);
  return {
    path,
    model: files.model,
    hasModelNames: files.hasModel,
    tensors: files.state,
    state: own,
    hasUses: state.version >= 3,
  };
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
