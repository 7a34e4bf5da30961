/**
 * A training state as checkpoint files: weights and optimizer state as flat arrays, each table and its
 * moments as tensors of their own, and a JSON description that says what they belong to. Restoring
 * gives back every bit, so a resumed run continues as if it had never stopped.
 *
 *     state.json            step, seed, fingerprint of data and recipe
 *     state.safetensors     "params", "m", "v" [P] F32; "table.L" [rows,d] F32; "moments.L" [rows] F32
 *     tokenizer.json
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type Checkpoint,
  SafetensorsFile,
  saveCheckpoint,
  tensorSource,
  type TensorSource,
  writeDurably,
  writeSafetensors,
} from "../../checkpoint/node/index.ts";
import { FormatError, InvalidConfigError } from "../../errors.ts";
import type { RamStore } from "../../memory/index.ts";
import type { FlatArrays } from "../optimizer.ts";

/** A table with its moments, both in memory. */
export interface TrainedTable {
  readonly layerId: number;
  readonly headDim: number;
  readonly values: RamStore;
  readonly moments: RamStore;
}

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

function stored(name: string, store: RamStore, shape: readonly number[]): TensorSource {
  return { name, dtype: "F32", shape, chunks: () => store.segments };
}

function bytesOf(data: Float32Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** 2: tables learn by row-wise Adagrad in units of the batch; moments of version 1 mean something else. */
const stateVersion = 2;

/** Two are kept: the newest, and the one before it in case the newest is lost with its disk block. */
export async function saveTrainingState(
  root: string,
  { step, identity, tokenizer, arrays, tables }: CheckpointContents,
): Promise<Checkpoint> {
  return saveCheckpoint(root, {
    step,
    keep: 2,
    write: async (directory) => {
      const state = `${JSON.stringify({ version: stateVersion, step, identity }, undefined, 1)}\n`;
      await writeDurably(join(directory, stateName), (file) => file.writeFile(state));
      await writeDurably(join(directory, "tokenizer.json"), (file) => file.writeFile(tokenizer));
      await writeSafetensors(join(directory, tensorsName), [
        flat("params", arrays.params),
        flat("m", arrays.m),
        flat("v", arrays.v),
        ...tables.flatMap(({ layerId, headDim, values, moments }) => [
          stored(`table.${layerId}`, values, [values.numRows, headDim]),
          stored(`moments.${layerId}`, moments, [moments.numRows]),
        ]),
      ]);
    },
  });
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
  const state = JSON.parse(await readFile(join(path, stateName), "utf8")) as {
    version: number;
    step: number;
    identity: Record<string, unknown>;
  };
  if (state.version !== stateVersion)
    throw new FormatError(
      `${path}: expected a checkpoint of version ${stateVersion}, it has ${state.version}; finish that run ` +
        "with the release that began it, or train into another --out",
    );
  if (state.step !== step)
    throw new FormatError(`${path}: expected the state of step ${step}, it is of ${state.step}`);
  const difference = firstDifference(state.identity, JSON.parse(JSON.stringify(identity)), "");
  if (difference !== undefined)
    throw new InvalidConfigError(
      `cannot resume from ${path}: ${difference}; use the same settings and text, or another --out`,
    );
  await using file = await SafetensorsFile.open(join(path, tensorsName));
  const fill = async (
    name: string,
    parts: readonly Uint8Array[],
    isZeroed = false,
  ): Promise<void> => {
    let begin = 0;
    for (const into of parts) {
      await file.readRange(name, { begin, end: begin + into.length, into, isZeroed });
      begin += into.length;
    }
  };
  await fill("params", [bytesOf(arrays.params)]);
  await fill("m", [bytesOf(arrays.m)]);
  await fill("v", [bytesOf(arrays.v)]);
  // Tables are fresh, so rows that no step has met yet can stay untouched memory.
  for (const { layerId, values, moments } of tables) {
    await fill(`table.${layerId}`, values.segments, true);
    await fill(`moments.${layerId}`, moments.segments, true);
  }
}

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
  if (at === "text") return "the training text is another";
  if (at === "heldOut") return "the text to measure on is another";
  return `${at} was ${JSON.stringify(before)}, now ${JSON.stringify(now)}`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
