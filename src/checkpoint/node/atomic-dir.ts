/**
 * A series of checkpoints: directories `step-000000120` below one root, each complete or absent.
 * Knows when a directory is complete, when it is whole, and which to keep; does not know what is in it.
 *
 * Saving: everything goes into `step-….tmp-PROCESS-RANDOM`; a manifest with size and sums of every file
 * joins it; all of it is forced to disk; one rename gives it its name; the root is forced to disk;
 * only then are older ones removed. So a process killed at any point leaves the previous checkpoint
 * or the new one, and a full disk leaves the previous one. Complete: every file has the size its manifest
 * gives (a copy that was broken off has not). Whole: its bytes have the sums, too, which takes reading all.
 */
import { type Dirent } from "node:fs";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { syncDirectory, syncTree } from "../../bytes/node/index.ts";
import { FormatError, InvalidConfigError } from "../../errors.ts";
import { type Manifest, manifestName } from "../manifest.ts";
import type { CheckOptions } from "../sums.ts";
import { checkFile, readManifest, writeManifest } from "./checked-file.ts";
import { isMissing } from "./open-path.ts";
import { isAbandoned, partialName } from "./partial-name.ts";
import { filesIn } from "./seal.ts";
import { writeFailure } from "./write-failure.ts";

export interface Checkpoint {
  readonly step: number;
  readonly path: string;
}

export interface SaveCheckpointOptions {
  readonly step: number;
  /** How many complete checkpoints to keep, the new one included; at least 1. On disk there is one
   * more while the new one is being written. */
  readonly keep: number;
  /** Writes the checkpoint's files into the directory it is given. */
  readonly write: (directory: string) => Promise<void>;
}

/**
 * Saves a checkpoint below `root` (made if absent) and removes the ones that `keep` leaves over.
 * Throws `StoreError` when the disk is full, or what `write` throws; all earlier ones are then still
 * there. One process at a time may save into a root.
 */
export async function saveCheckpoint(
  root: string,
  options: SaveCheckpointOptions,
): Promise<Checkpoint> {
  const { step, keep, write } = options;
  if (!(Number.isSafeInteger(keep) && keep >= 1))
    throw new InvalidConfigError(`keep must be a whole number of at least 1, got ${keep}`);
  if (!(Number.isSafeInteger(step) && step >= 0))
    throw new InvalidConfigError(`step must be a whole number of at least 0, got ${step}`);
  let partial: string | undefined;
  let path: string;
  try {
    await mkdir(root, { recursive: true });
    await removeAbandoned(root);
    path = join(root, await freeName(root, baseName(step)));
    partial = join(root, partialName(partialPrefix(step)));
    await mkdir(partial);
    await write(partial);
    await writeManifest(partial, await filesIn(partial));
    await syncTree(partial);
    await rename(partial, path);
    await syncDirectory(root);
  } catch (error) {
    if (partial !== undefined) await rm(partial, { recursive: true, force: true });
    throw writeFailure(error, `checkpoint of step ${step} in ${root}`);
  }
  const older = (await listCheckpoints(root)).slice(0, -keep);
  for (const checkpoint of older) if (checkpoint.path !== path) await remove(root, checkpoint);
  return { step, path };
}

/** The complete checkpoints below `root`, oldest first; none if there is no such directory. */
export async function listCheckpoints(root: string): Promise<readonly Checkpoint[]> {
  const all = await findCheckpoints(root);
  const complete = await Promise.all(all.map(({ path }) => isComplete(path)));
  return all.filter((_, i) => complete[i]);
}

/** Everything below `root` that has a checkpoint's name, oldest first, in whatever state it is. */
export async function findCheckpoints(root: string): Promise<readonly Checkpoint[]> {
  const found: { step: number; attempt: number; path: string }[] = [];
  for (const entry of await entries(root)) {
    const [, step, attempt] = namePattern.exec(entry.name) ?? [];
    if (step === undefined || !entry.isDirectory()) continue;
    const path = join(root, entry.name);
    found.push({ step: Number(step), attempt: Number(attempt ?? 1), path });
  }
  found.sort((a, b) => a.step - b.step || a.attempt - b.attempt);
  return found.map(({ step, path }) => ({ step, path }));
}

/** Throws `FormatError` with file, expected and found unless every byte of a checkpoint is what was saved. */
export async function checkCheckpoint(
  { path }: Pick<Checkpoint, "path">,
  options: Pick<CheckOptions, "signal"> = {},
): Promise<void> {
  for (const [name, record] of await manifestOf(path))
    await checkFile(join(path, name), record, options);
}

/** The manifest of a checkpoint. Throws `FormatError` if it has none. */
export async function manifestOf(path: string): Promise<Manifest> {
  const file = join(path, manifestName);
  const manifest = await readManifest(file);
  if (manifest.size === 0)
    throw new FormatError(
      `${file}: expected the list of the checkpoint's files, there is none; it is not complete`,
    );
  return manifest;
}

/** Gives a checkpoint that cannot be used a name of its own, under which nothing looks for one. */
export async function setAside(root: string, { path, step }: Checkpoint): Promise<string> {
  const aside = join(root, await freeName(root, `${baseName(step)}.damaged`));
  await rename(path, aside);
  await syncDirectory(root);
  return aside;
}

/** `step-000000120`, or `step-000000120.2` when that step is saved a second time. */
const namePattern = /^step-(\d{9,})(?:\.(\d+))?$/;

function baseName(step: number): string {
  return `step-${String(step).padStart(9, "0")}`;
}

function partialPrefix(step: number): string {
  return `${baseName(step)}.tmp-`;
}

/** A rename cannot replace a directory, so a step that is saved again gets a name of its own. */
async function freeName(root: string, base: string): Promise<string> {
  const taken = new Set((await entries(root)).map((entry) => entry.name));
  let name = base;
  for (let attempt = 2; taken.has(name); attempt++) name = `${base}.${attempt}`;
  return name;
}

async function removeAbandoned(root: string): Promise<void> {
  for (const { name } of await entries(root)) {
    const [prefix] = /^step-\d{9,}\.tmp-/.exec(name) ?? [];
    if (prefix !== undefined && isAbandoned(name, prefix))
      await rm(join(root, name), { recursive: true, force: true });
  }
}

/** Renames first: a removal that is broken off must not leave half a checkpoint under its name. */
async function remove(root: string, { path, step }: Checkpoint): Promise<void> {
  const doomed = join(root, partialName(partialPrefix(step)));
  await rename(path, doomed);
  await rm(doomed, { recursive: true, force: true });
}

async function isComplete(path: string): Promise<boolean> {
  try {
    for (const [name, { bytes }] of await manifestOf(path))
      if ((await stat(join(path, name))).size !== bytes) return false;
    return true;
  } catch {
    return false;
  }
}

async function entries(root: string): Promise<Dirent[]> {
  try {
    return await readdir(root, { withFileTypes: true });
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
