/** A model on a hub -> the cache: lists, chooses, makes sure that it fits, fetches, and links it once all of it is there. */
import { statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isGgufName, modelNames, parseIndex } from "../../checkpoint/index.ts";
import { readJsonFile } from "../../checkpoint/node/index.ts";
import { FormatError, StoreError } from "../../errors.ts";
import { isRecord } from "../../json-values.ts";
import { type HubRequestOptions, listModel, refusalOf, requestsFor } from "../hub.ts";
import { firstFiles, type HubFile, refuseTwins, weightFiles } from "../model-files.ts";
import type { ModelName } from "../model-name.ts";
import { arrivedBytes, fetchBlob, hasBlob } from "./fetch-blob.ts";
import { linkSnapshot, placesOf } from "./hub-cache.ts";
import type { HubSettings } from "./hub-settings.ts";
import { makeFolder, refuseLinks } from "./own-folders.ts";

export interface PullOptions extends HubRequestOptions {
  readonly onProgress?: (progress: PullProgress) => void;
}

export interface PullProgress {
  readonly file: string;
  /** Of all files that were missing: what is there now, what came in this run, and all of it. */
  readonly doneBytes: number;
  readonly fetchedBytes: number;
  readonly totalBytes: number;
}

export interface PulledModel {
  readonly repo: string;
  readonly commit: string;
  /** The directory, or the .gguf file, or the first of its parts. */
  readonly path: string;
  readonly files: readonly HubFile[];
  /** Bytes that came in this run. */
  readonly fetchedBytes: number;
}

/** Settings and cards are texts; see `checkpoint/text.ts`. */
const MAX_SETTINGS_BYTES = 2 ** 28;
/** What a disk should have left. */
const SPARE_BYTES = 2 ** 26;

/**
 * Throws `RequestError` for what the hub does not have or give, `StoreError` for what cannot be reached or kept,
 * `FormatError` for wrong sums, `InvalidConfigError` for links in place of the cache's folders. What has arrived stays, and
 * the next call goes on from there.
 */
export async function pullModel(
  name: ModelName,
  settings: HubSettings,
  options: PullOptions = {},
): Promise<PulledModel> {
  const { repo, revision } = name;
  const { cache } = settings;
  const { commit, files: listed } = await listModel(settings, name, options);
  const first = firstFiles(listed, name);
  const isFile = isGgufName(first[0]!.name);
  const places = placesOf(cache, { repo, commit, revision });
  const { blobs, snapshot, ref = snapshot } = places;
  // Before hours of fetching, rather than behind them.
  for (const path of [snapshot, dirname(ref)]) await refuseLinks(cache, path);
  await makeFolder(cache, blobs);
  const fetch = (files: readonly HubFile[]): Promise<number> =>
    fetchMissing(files, { name, settings, commit, blobs, options });
  const large = first.find(({ bytes }) => !isFile && bytes > MAX_SETTINGS_BYTES);
  if (large !== undefined)
    throw new FormatError(
      `${repo}: ${large.name} has ${large.bytes} bytes; expected a file of settings`,
    );
  refuseTwins(first, repo);
  let fetchedBytes = await fetch(first);
  const weights = isFile
    ? []
    : weightFiles(listed, { repo, indexed: await indexedFiles(blobs, first) });
  const files = [...first, ...weights];
  refuseTwins(files, repo);
  fetchedBytes += await fetch(weights);
  await linkSnapshot(cache, places, files);
  const path = isFile ? join(snapshot, first[0]!.name) : snapshot;
  return { repo, commit, path, files, fetchedBytes };
}

/** The names of weight files in the index, if there is one. */
async function indexedFiles(
  blobs: string,
  files: readonly HubFile[],
): Promise<readonly string[] | undefined> {
  const index = files.find(({ name }) => name === modelNames.index);
  if (index === undefined) return undefined;
  const value = await readJsonFile(join(blobs, index.digest));
  if (!isRecord(value)) throw new FormatError(`${modelNames.index}: expected a JSON object`);
  return [...new Set(parseIndex(modelNames.index, value).values())];
}

/** Resolves to the bytes that came. */
async function fetchMissing(
  files: readonly HubFile[],
  {
    name,
    settings,
    commit,
    blobs,
    options,
  }: {
    name: ModelName;
    settings: HubSettings;
    commit: string;
    blobs: string;
    options: PullOptions;
  },
): Promise<number> {
  const missing: HubFile[] = [];
  for (const file of files) if (!(await hasBlob(blobs, file))) missing.push(file);
  const totalBytes = sumOf(missing.map(({ bytes }) => bytes));
  const before = await Promise.all(missing.map((file) => arrivedBytes(blobs, file)));
  await checkSpace(blobs, { repo: name.repo, bytes: totalBytes - sumOf(before) });
  let doneBytes = 0;
  let fetchedBytes = 0;
  for (const file of missing) {
    const requests = requestsFor(settings, { repo: name.repo, commit, file: file.name }, options);
    let had: number | undefined;
    await fetchBlob(file, {
      blobs,
      requests,
      refusal: (response) =>
        refusalOf(response, { subject: name, where: file.name, hub: settings }),
      signal: options.signal,
      onBytes(have) {
        // The first call says what was there; a file that is begun again comes a second time.
        fetchedBytes += Math.max(0, have - (had ?? have));
        had = have;
        options.onProgress?.({
          file: file.name,
          doneBytes: doneBytes + have,
          fetchedBytes,
          totalBytes,
        });
      },
    });
    doneBytes += file.bytes;
  }
  return fetchedBytes;
}

async function checkSpace(
  path: string,
  { repo, bytes }: { repo: string; bytes: number },
): Promise<void> {
  const { bavail, bsize } = await statfs(path);
  const free = bavail * bsize;
  if (bytes + SPARE_BYTES <= free) return;
  throw new StoreError(
    `${repo} takes ${bytes} bytes more in ${path}, whose disk has ${free} free; free some (engram rm), or set HF_HOME to a ` +
      "folder on a larger disk",
  );
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}
