/**
 * A model's directory as a source of files. Where a save was decided and not finished, its files are read where they
 * lie (`publish.ts`); nothing is changed.
 */
import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { ByteSource } from "../../bytes/index.ts";
import { FormatError } from "../../errors.ts";
import { ModelDirectory } from "../model-files.ts";
import { listCheckpoints } from "./atomic-dir.ts";
import { snapshotOf } from "./hub-snapshot.ts";
import { isMissing, openIfThere } from "./open-path.ts";
import { modelPlaces } from "./model-dir.ts";
import { readInside } from "./text-file.ts";

/**
 * A model's folder in the cache of the Hugging Face Hub stands for a revision in it (`snapshotOf`).
 * Throws `FormatError` where there is no directory, or one with a save that no writer of ours decided.
 */
export async function openDirectory(path: string): Promise<ByteSource> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isDirectory())
    throw new FormatError(
      `${path}: expected a model directory, ${found ? "it is a file" : "there is nothing"}`,
    );
  const directory = await snapshotOf(path);
  const place = await modelPlaces(directory);
  return {
    name: path,
    isTrusted: true,
    whatElse: () => whatElse(directory),
    nameOf: (file) => place(file) ?? join(directory, file),
    async read(file, most): Promise<Uint8Array | undefined> {
      const where = place(file);
      if (where === undefined) return undefined;
      try {
        return await readInside(where, most);
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    },
    async open(file, { isRandom = false } = {}) {
      const where = place(file);
      return where === undefined ? undefined : openIfThere(where, { readsNow: isRandom });
    },
  };
}

/** Opens the model in a directory; see `ModelDirectory.open`. */
export async function openModelDirectory(path: string): Promise<ModelDirectory> {
  return ModelDirectory.open(await openDirectory(path));
}

/** What a directory without settings is instead. */
async function whatElse(path: string): Promise<string | undefined> {
  const newest = (await listCheckpoints(join(path, "checkpoints"))).at(-1);
  if (newest !== undefined)
    return (
      `it is an unfinished run, at step ${newest.step}; go on with the command that began it and --resume, ` +
      `or open its newest checkpoint, ${newest.path}`
    );
  return existsSync(join(path, "metrics.jsonl"))
    ? "it is a run that has no checkpoint yet; wait for its first, or begin it anew"
    : undefined;
}
