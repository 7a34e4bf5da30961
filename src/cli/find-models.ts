/** The models on this machine that can be named on a command line: those in the hub's cache, and those around here. */
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { ggufModelNames, modelNames } from "../checkpoint/index.ts";
import { filesIn } from "../checkpoint/node/index.ts";
import { formatModelName } from "../hub/index.ts";
import {
  type CachedModel,
  cachedModels,
  type Environment,
  hubSettings,
} from "../hub/node/index.ts";

export interface FoundModel {
  /** What a command takes for it. */
  readonly name: string;
  readonly path: string;
  readonly isCached: boolean;
}

/** Models lie in the current directory, or in a folder of it (models/tiny), or are it. */
const DEPTH = 2;
/** A home directory has tens of thousands of folders; nobody waits for them. */
const MAX_FOLDERS = 500;

export async function findModels(
  env: Environment,
  { directory = "." }: { directory?: string } = {},
): Promise<FoundModel[]> {
  return [...(await modelsBelow(directory)), ...(await modelsInCache(hubSettings(env).cache))];
}

export async function modelsInCache(cache: string): Promise<FoundModel[]> {
  const found: FoundModel[] = [];
  for (const model of await cachedModels(cache)) {
    const { repo, path } = model;
    const revision = revisionOf(model);
    const names = await filesIn(path);
    const add = (file: string | undefined): void =>
      void found.push({
        name: formatModelName({ repo, revision, ...(file !== undefined && { file }) }),
        path: file === undefined ? path : join(path, file),
        isCached: true,
      });
    if (names.includes(modelNames.config)) add(undefined);
    for (const name of ggufModelNames(names)) add(name);
  }
  return found;
}

function revisionOf({ revisions, commit }: CachedModel): string {
  return revisions.includes("main") ? "main" : (revisions[0] ?? commit);
}

async function modelsBelow(top: string): Promise<FoundModel[]> {
  const found: FoundModel[] = [];
  let level = [top];
  for (let depth = 0; depth <= DEPTH; depth++) {
    const next: string[] = [];
    for (const folder of level.slice(0, MAX_FOLDERS)) {
      if (isModelDirectory(folder)) found.push({ name: folder, path: folder, isCached: false });
      const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
      const files = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
      const ggufs = ggufModelNames(files);
      for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
        if (entry.name.startsWith(".") || entry.name === "node_modules") continue;
        const path = join(folder, entry.name);
        if (entry.isFile() && ggufs.includes(entry.name))
          found.push({ name: path, path, isCached: false });
        else if (entry.isDirectory()) next.push(path);
      }
    }
    level = next;
  }
  return found;
}

function isModelDirectory(path: string): boolean {
  const has = (name: string): boolean => existsSync(join(path, name));
  return has(modelNames.config) && (has(modelNames.weights) || has(modelNames.index));
}
