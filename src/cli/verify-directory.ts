/**
 * Reads every file of a model, a training run or a checkpoint and compares it with its checksums: ours
 * (manifest.json, table files, row logs), or those of other publishers if there are any. Changes and prints nothing.
 */
import { stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import {
  type FileRecord,
  ggufFileNames,
  GgufFiles,
  isGgufName,
  type Manifest,
  manifestName,
} from "../checkpoint/index.ts";
import {
  digestLike,
  filesIn,
  findCheckpoints,
  findDamage,
  findForeignSum,
  modelPlaces,
  openModelPath,
  openSafetensors,
  readManifest,
} from "../checkpoint/node/index.ts";
import { openPlain } from "../bytes/node/index.ts";
import { FormatError, InvalidConfigError, StoreError } from "../errors.ts";
import { FactLogFile, LOG_NAME, MEMORY_NAME } from "../facts/node/index.ts";
import { openTableFile } from "../memory/stores/ranges/node/index.ts";
import { checkRowLogs } from "../at-rest/node/index.ts";
import { isPackFile, PackFile } from "../packs/node/index.ts";
import { CARD_NAME } from "../training/index.ts";
import { checkGrownFile, readState } from "../training/node/index.ts";

/** The result for a file. */
export interface FileCheck {
  /** Its path, relative to the directory. */
  readonly file: string;
  readonly bytes: number;
  /** Where its checksums are from; undefined: it has none, so only its format was checked. */
  readonly by: string | undefined;
  /** A model card that is not as it was saved: it is for people to edit, so that is no damage. */
  readonly isEdited?: boolean;
  /** What is wrong with it, each with its place; empty: nothing. */
  readonly damage: readonly string[];
}

export interface VerifyOptions {
  readonly signal?: AbortSignal | undefined;
}

/** Yields each file when it has been read. Throws `InvalidConfigError` where there is nothing to read. */
export async function* verifyDirectory(
  path: string,
  options: VerifyOptions = {},
): AsyncGenerator<FileCheck> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined)
    throw new InvalidConfigError(`${path}: no such file or directory; check the path`);
  if (found.isFile()) {
    const directory = dirname(path);
    const manifest = await readManifest(join(directory, manifestName)).catch(() => new Map());
    // All parts of a GGUF model, whichever is named.
    for (const name of ggufFileNames(basename(path))) {
      const file = { directory, name, path: join(directory, name) };
      const record = manifest.get(name);
      if (record === undefined) yield await checkAlone(file, options);
      else yield await checkListed({ ...file, record }, options);
    }
    return;
  }
  let count = 0;
  for await (const check of checkFiles(path, await besideNewest(path), options)) {
    count++;
    yield check;
  }
  const taught = await checkTaught(path);
  if (taught !== undefined) yield taught;
  const checkpoints = await findCheckpoints(join(path, "checkpoints"));
  for (const checkpoint of checkpoints) {
    const within = `checkpoints/${basename(checkpoint.path)}`;
    for await (const check of checkFiles(checkpoint.path, new Map(), options))
      yield { ...check, file: `${within}/${check.file}` };
    yield* checkReferences(checkpoint.path, { within: "checkpoints", ...options });
  }
  if ((await readManifest(join(path, manifestName)).catch(() => new Map())).has("state.json"))
    yield* checkReferences(path, { within: "..", ...options });
  if (count + checkpoints.length === 0)
    throw new InvalidConfigError(
      `${path}: expected a model, a run or a checkpoint, found no files`,
    );
}

/** The records in the newest checkpoint of files that have grown since. */
async function besideNewest(directory: string): Promise<ReadonlyMap<string, FileRecord>> {
  for (const { path } of (await findCheckpoints(join(directory, "checkpoints"))).toReversed()) {
    const state = await readState(path).catch(() => undefined);
    if (state !== undefined) return state.beside;
  }
  return new Map();
}

async function* checkFiles(
  directory: string,
  grown: ReadonlyMap<string, FileRecord>,
  options: VerifyOptions,
): AsyncGenerator<FileCheck> {
  const place = await modelPlaces(directory);
  let manifest: Manifest = new Map();
  const own = { file: manifestName, by: "its own checksum" };
  try {
    manifest = await readManifest(place(manifestName));
    const bytes = await sizeOf(join(directory, manifestName));
    if (manifest.size > 0) yield { ...own, bytes, damage: [] };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    yield { ...own, bytes: 0, damage: [error.message] };
  }
  for (const name of new Set([...manifest.keys(), ...(await filesIn(directory))])) {
    const path = place(name);
    if (path === undefined) continue;
    const record = manifest.get(name);
    const earlier = grown.get(name);
    if (record !== undefined) yield await checkListed({ name, path, record }, options);
    else if (earlier !== undefined) {
      const text = await checkGrownFile(path, earlier);
      const by = `the newest checkpoint, its first ${earlier.bytes} bytes`;
      yield { file: name, bytes: await sizeOf(path), by, damage: text === undefined ? [] : [text] };
    } else yield await checkAlone({ directory, name, path }, options);
  }
}

async function checkListed(
  { name, path, record }: { name: string; path: string; record: FileRecord },
  { signal }: VerifyOptions,
): Promise<FileCheck> {
  const damage: string[] = [];
  for await (const { begin, end, text } of findDamage(path, record, { signal }))
    damage.push(`${text}${await tensorsAt(path, begin, end)}`);
  const check = { file: name, bytes: record.bytes, by: manifestName, damage };
  if (name !== CARD_NAME || damage.length === 0) return check;
  const bytes = await sizeOf(path);
  return bytes === 0 ? check : { ...check, bytes, by: undefined, isEdited: true, damage: [] };
}

/** Which tensors of a safetensors file have some of these bytes, in words. */
async function tensorsAt(path: string, begin: number, end: number): Promise<string> {
  if (!path.endsWith(".safetensors") || begin === end) return "";
  try {
    await using file = await openSafetensors(path);
    const spans = [...file.tensors.values()].filter((span) => span.begin < end && span.end > begin);
    const names = spans.slice(0, 3).map((span) => `"${span.name}"`);
    if (names.length === 0) return "";
    const more = spans.length > names.length ? ` and ${spans.length - names.length} more` : "";
    return `; part of ${names.join(", ")}${more}`;
  } catch {
    return "; its header cannot be read";
  }
}

/** Checks a file that is in no manifest: by its own checksums, by those of its publisher, or by its format alone. */
async function checkAlone(
  { directory, name, path }: { directory: string; name: string; path: string },
  options: VerifyOptions,
): Promise<FileCheck> {
  const check = { file: name, bytes: await sizeOf(path), by: undefined };
  try {
    if (await isTableFile(path)) {
      const store = await openTableFile(path);
      try {
        await store.verify();
      } finally {
        await store.close();
      }
      return { ...check, by: "its own checksums", damage: [] };
    }
    if (name.endsWith(".pack") || (await isPackFile(path))) {
      await using pack = await PackFile.open(path);
      await pack.read(options);
      return { ...check, by: "its own checksum", damage: [] };
    }
    const sum = await findForeignSum(directory, name);
    if (sum !== undefined) {
      const found = await digestLike(sum.digest, path, options);
      const text = `expected the digest ${sum.digest}, found ${found}`;
      return { ...check, by: sum.source, damage: found === sum.digest ? [] : [text] };
    }
    if (name.endsWith(".safetensors")) await (await openSafetensors(path)).close();
    // With those of the other parts of its model.
    if (isGgufName(name)) await (await GgufFiles.open(await openModelPath(path), name)).close();
    return { ...check, damage: [] };
  } catch (error) {
    if (error instanceof FormatError || error instanceof StoreError)
      return { ...check, damage: [error.message] };
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return { ...check, damage: ["expected a file, found none, or a link to nothing"] };
  }
}

/** What the model was taught, which grows and is in no manifest. */
async function checkTaught(directory: string): Promise<FileCheck | undefined> {
  const memory = join(directory, MEMORY_NAME);
  const bytes = await sizeOf(join(memory, LOG_NAME));
  if (bytes === 0) return undefined;
  const check = { file: `${MEMORY_NAME}/${LOG_NAME}`, bytes, by: "its own checksums" };
  try {
    await new FactLogFile(memory).read();
    return { ...check, damage: [] };
  } catch (error) {
    if (!(error instanceof FormatError || error instanceof InvalidConfigError)) throw error;
    return { ...check, damage: [error.message] };
  }
}

async function* checkReferences(
  checkpoint: string,
  { within, ...options }: VerifyOptions & { readonly within: string },
): AsyncGenerator<FileCheck> {
  try {
    const { logs = [] } = await readState(checkpoint);
    for await (const { file, damage } of checkRowLogs(checkpoint, { ...options, logs })) {
      const bytes = await sizeOf(join(checkpoint, "..", file));
      const by = `its own checksums, for ${basename(checkpoint)}`;
      yield { file: `${within}/${file}`, bytes, by, damage: damage === undefined ? [] : [damage] };
    }
  } catch (error) {
    // Damage of the checkpoint itself was reported when its files were read.
    if (!(error instanceof FormatError) && (error as NodeJS.ErrnoException).code !== "ENOENT")
      throw error;
  }
}

async function isTableFile(path: string): Promise<boolean> {
  await using file = (await openPlain(path)).file;
  const { buffer } = await file.read(Buffer.alloc(8), 0, 8, 0);
  return buffer.toString("latin1") === "\x89ENGTBL\n";
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}
