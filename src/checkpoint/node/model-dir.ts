/**
 * A model as a directory, in the layout of Hugging Face: what is where. Finds tensors by name over
 * all files and reads them when asked. Does not know what a model computes, which tensors it needs,
 * or what the settings mean.
 *
 *     config.json                              settings, `engram_*` keys and hash constants included
 *     generation_config.json                   sampling defaults (optional)
 *     tokenizer.json                           (optional)
 *     chat_template.jinja                      (optional; read, or from tokenizer_config.json)
 *     quantization.json                        what quantising cost, where it was done (optional)
 *     model.safetensors                        the backbone
 *     model-engram-00001-of-0000N.safetensors  tables, in files of their own
 *     model.safetensors.index.json             tensor name -> file, when there is more than one file
 *     manifest.json                            sizes and sums of all of these (models of others have none)
 *
 * Tables have files of their own because they are large, are read in parts, and may lie on another
 * disk (a symbolic link will do). A reader that knows nothing of Engram finds a plain model in
 * `model.safetensors`.
 */
import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { FormatError, RequestError } from "../../errors.ts";
import { type FileRecord, type Manifest, manifestName } from "../manifest.ts";
import { isPlainName } from "../plain-name.ts";
import { type TensorSpan } from "../safetensors.ts";
import { listCheckpoints } from "./atomic-dir.ts";
import {
  checkBytes,
  checkFile,
  type ExpectedFile,
  readManifest,
  recordOfFile,
  writeManifest,
} from "./checked-file.ts";
import { writeDurably } from "./durable.ts";
import { placeFiles, publishFiles } from "./publish.ts";
import { filesIn } from "./seal.ts";
import {
  type ReadRangeOptions,
  SafetensorsFile,
  type TensorSource,
  writeSafetensors,
} from "./safetensors-file.ts";
import { readJsonFile, readTextFile } from "./text-file.ts";

export type JsonObject = { readonly [key: string]: unknown };

/** Everything a model directory is made of. */
export interface ModelFiles {
  readonly config: JsonObject;
  readonly generationConfig?: JsonObject;
  /** The text of tokenizer.json. */
  readonly tokenizer?: string;
  readonly weights: readonly TensorSource[];
  /** One list per file; a table and its scales belong into one. */
  readonly tables?: readonly (readonly TensorSource[])[];
  /** Jinja source; see above. */
  readonly chatTemplate?: string;
  /** What quantising cost, for quantization.json. */
  readonly certificate?: JsonObject;
  /** Names of files that are in the directory already and are vouched for from now on, as they are. */
  readonly beside?: readonly string[];
  /** Goes into every safetensors header; text only. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A tensor and the file (name within the directory) that holds it. */
export interface LocatedTensor extends TensorSpan {
  readonly file: string;
}

const weightsName = "model.safetensors";
const indexName = "model.safetensors.index.json";
const tokenizerName = "tokenizer.json";
const tokenizerConfigName = "tokenizer_config.json";
const chatTemplateName = "chat_template.jinja";
const configName = "config.json";
const generationName = "generation_config.json";
const certificateName = "quantization.json";
const tablePattern = /^model-engram-\d+-of-\d+\.safetensors$/;

/** Names that a model is written under. */
function isModelFile(name: string): boolean {
  return tablePattern.test(name) || modelNames.includes(name);
}

const modelNames: readonly string[] = [
  weightsName,
  indexName,
  configName,
  generationName,
  tokenizerName,
  chatTemplateName,
  certificateName,
  manifestName,
];

/**
 * Writes a model into `directory`, over the one that is there, if any: a reader finds the old model
 * or the new one, never parts of both, whenever the writer is killed. Throws `StoreError` when the
 * disk is full; the old model is then as it was.
 */
export async function writeModelDir(directory: string, files: ModelFiles): Promise<void> {
  const { config, generationConfig, tokenizer, weights, tables = [] } = files;
  const { chatTemplate, certificate } = files;
  // Hugging Face's loader refuses a file that does not say for which framework it was written.
  const metadata = { format: "pt", ...files.metadata };
  await publishFiles(directory, {
    owns: isModelFile,
    write: async (staging) => {
      const index: Record<string, string> = {};
      let totalBytes = 0;
      const writeShard = async (name: string, sources: readonly TensorSource[]): Promise<void> => {
        const header = await writeSafetensors(join(staging, name), sources, metadata);
        for (const span of header.tensors.values()) index[span.name] = name;
        totalBytes += header.fileBytes - header.dataBegin;
      };
      await writeShard(weightsName, weights);
      for (const [i, table] of tables.entries())
        await writeShard(tableName(i + 1, tables.length), table);
      if (tables.length > 0)
        await writeJson(join(staging, indexName), {
          metadata: { total_size: totalBytes },
          weight_map: index,
        });
      await writeJson(join(staging, configName), config);
      if (generationConfig !== undefined)
        await writeJson(join(staging, generationName), generationConfig);
      if (tokenizer !== undefined)
        await writeDurably(join(staging, tokenizerName), (file) => file.writeFile(tokenizer));
      if (chatTemplate !== undefined)
        await writeDurably(join(staging, chatTemplateName), (file) => file.writeFile(chatTemplate));
      if (certificate !== undefined) await writeJson(join(staging, certificateName), certificate);
      const others = new Map<string, FileRecord>();
      for (const name of files.beside ?? [])
        others.set(name, await recordOfFile(join(directory, name)));
      await writeManifest(staging, await filesIn(staging), others);
    },
  });
}

/** Where the files of a model directory are to be read; see `placeFiles`. */
export function modelPlaces(directory: string): Promise<(name: string) => string | undefined> {
  return placeFiles(directory, isModelFile);
}

/** An opened model directory. Holds the settings, and files open from their first use to `close`. */
export class ModelDirectory {
  readonly path: string;
  readonly config: JsonObject;
  readonly generationConfig: JsonObject | undefined;
  /** Tensor name -> file name; undefined where one file holds all. */
  readonly #index: ReadonlyMap<string, string> | undefined;
  readonly #place: (name: string) => string | undefined;
  readonly #manifest: Manifest;
  readonly #open = new Map<string, Promise<SafetensorsFile>>();

  private constructor(
    path: string,
    parts: {
      config: JsonObject;
      generationConfig: JsonObject | undefined;
      index: ReadonlyMap<string, string> | undefined;
      place: (name: string) => string | undefined;
      manifest: Manifest;
    },
  ) {
    this.path = path;
    this.config = parts.config;
    this.generationConfig = parts.generationConfig;
    this.#index = parts.index;
    this.#place = parts.place;
    this.#manifest = parts.manifest;
  }

  /**
   * Reads the settings and the index; no weights, not even headers. Throws `FormatError` if there is
   * no model in `path` or its JSON files are not what they should be.
   */
  static async open(path: string): Promise<ModelDirectory> {
    const found = await stat(path).catch(() => undefined);
    if (!found?.isDirectory())
      throw new FormatError(
        `${path}: expected a model directory, ${found ? "it is a file" : "there is nothing"}`,
      );
    const place = await modelPlaces(path);
    const manifest = await readManifest(place(manifestName));
    const read = (name: string): Promise<JsonObject | undefined> =>
      readJson(place(name), manifest.get(name));
    const config = await read(configName);
    if (config === undefined)
      throw new FormatError(`${path}: expected a model directory, ${await whatElse(path)}`);
    const generationConfig = await read(generationName);
    const index = await read(indexName);
    return new ModelDirectory(path, {
      config,
      generationConfig,
      place,
      manifest,
      index: index === undefined ? undefined : parseIndex(join(path, indexName), index),
    });
  }

  /** The text of tokenizer.json, or undefined if there is none. */
  async tokenizer(): Promise<string | undefined> {
    return this.#read(tokenizerName);
  }

  /** The Jinja source that makes a prompt of messages, from either place where models keep it. */
  async chatTemplate(): Promise<string | undefined> {
    const own = await this.#read(chatTemplateName);
    if (own !== undefined) return own;
    const file = join(this.path, tokenizerConfigName);
    const template = (await readJson(file, undefined))?.["chat_template"];
    if (template === undefined || typeof template === "string") return template;
    throw new FormatError(
      `${file}: expected "chat_template" to be one text; several named templates are not supported`,
    );
  }

  /**
   * Every tensor, with the file that holds it. Reads all headers, and checks that index and files
   * name the same tensors. Throws `FormatError` otherwise. Files that by the index have nothing but tensors of
   * `without` are not opened, and need not be there.
   */
  async tensors({ without = () => false }: { without?: (name: string) => boolean } = {}): Promise<
    ReadonlyMap<string, LocatedTensor>
  > {
    const all = new Map<string, LocatedTensor>();
    const index = [...(this.#index ?? [])].filter(([name]) => !without(name));
    const files =
      this.#index === undefined ? [weightsName] : new Set(index.map(([, file]) => file));
    for (const file of files)
      for (const span of (await this.#file(file)).tensors.values()) {
        if (this.#index !== undefined && this.#index.get(span.name) !== file)
          throw new FormatError(
            `${join(this.path, file)} holds tensor "${span.name}", ${indexName} says it is in ${this.#index.get(span.name) ?? "no file"}`,
          );
        all.set(span.name, { ...span, file });
      }
    for (const [name, file] of index)
      if (!all.has(name))
        throw new FormatError(
          `${join(this.path, file)} has no tensor "${name}"; ${indexName} says it has`,
        );
    return all;
  }

  /** Where the file of this name is: not always beside the others (`placeFiles`). */
  pathOf(file: string): string {
    return this.#place(file) ?? join(this.path, file);
  }

  /** One tensor's element type, shape and place, or undefined if the model has none of that name. */
  async find(name: string): Promise<LocatedTensor | undefined> {
    const file = this.#index === undefined ? weightsName : this.#index.get(name);
    if (file === undefined) return undefined;
    const span = (await this.#file(file)).tensors.get(name);
    if (span === undefined && this.#index !== undefined)
      throw new FormatError(
        `${join(this.path, file)} has no tensor "${name}"; ${indexName} says it has`,
      );
    return span && { ...span, file };
  }

  /** All bytes of a tensor. Throws `RequestError` if the model has none of that name. */
  async read(name: string): Promise<Uint8Array<ArrayBuffer>> {
    return (await this.#file(await this.#fileOf(name))).read(name);
  }

  /** As `SafetensorsFile.readRange`, in whichever file the tensor is. */
  async readRange(name: string, options: ReadRangeOptions): Promise<void> {
    await (await this.#file(await this.#fileOf(name))).readRange(name, options);
  }

  async close(): Promise<void> {
    const files = await Promise.allSettled(this.#open.values());
    this.#open.clear();
    for (const file of files) if (file.status === "fulfilled") await file.value.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #fileOf(name: string): Promise<string> {
    const found = await this.find(name);
    if (found === undefined) throw new RequestError(`${this.path} has no tensor "${name}"`);
    return found.file;
  }

  #read(name: string): Promise<string | undefined> {
    return ifThere(this.#place(name), this.#manifest.get(name), readTextFile);
  }

  #file(name: string): Promise<SafetensorsFile> {
    let file = this.#open.get(name);
    if (file === undefined) {
      const path = this.pathOf(name);
      file = openChecked(path, this.#manifest.get(name)).catch((cause: unknown) => {
        this.#open.delete(name);
        if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw cause;
        throw new FormatError(`${this.path}: ${name} is missing; the model is not complete`, {
          cause,
        });
      });
      this.#open.set(name, file);
    }
    return file;
  }
}

/** A file up to this size is checked whole when it is opened: some 50 ms. Of a larger one, its header is. */
const CHECKED_BYTES = 1 << 25;

/** A configuration is sometimes edited. */
const advice = "if on purpose: engram verify DIR --seal makes new sums";

async function openChecked(path: string, record: FileRecord | undefined): Promise<SafetensorsFile> {
  const file = await SafetensorsFile.open(path);
  try {
    const first = record && record.bytes > CHECKED_BYTES ? file.header.dataBegin : Infinity;
    if (record !== undefined) await checkFile(path, record, { first, advice });
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** What a directory without settings is instead. */
async function whatElse(path: string): Promise<string> {
  const newest = (await listCheckpoints(join(path, "checkpoints"))).at(-1);
  if (newest !== undefined)
    return (
      `it is an unfinished run, at step ${newest.step}; go on with the command that began it and --resume, ` +
      `or open its newest checkpoint, ${newest.path}`
    );
  return existsSync(join(path, "metrics.jsonl"))
    ? "it is a run that has no checkpoint yet; wait for its first, or begin it anew"
    : `it has no ${configName}`;
}

function tableName(number: number, count: number): string {
  return `model-engram-${fiveDigits(number)}-of-${fiveDigits(count)}.safetensors`;
}

function fiveDigits(n: number): string {
  return String(n).padStart(5, "0");
}

function parseIndex(path: string, index: JsonObject): ReadonlyMap<string, string> {
  const map = index["weight_map"];
  if (typeof map !== "object" || map === null || Array.isArray(map))
    throw new FormatError(`${path}: expected an object "weight_map" of tensor name -> file name`);
  const files = new Map<string, string>();
  for (const [name, file] of Object.entries(map)) {
    // A name that leads out of the directory would make a model read files of its reader.
    if (!isPlainName(file) || !file.endsWith(".safetensors"))
      throw new FormatError(
        `${path}: tensor "${name}": expected the name of a .safetensors file beside the index, got ${JSON.stringify(file)}`,
      );
    files.set(name, file);
  }
  return files;
}

async function writeJson(path: string, value: JsonObject): Promise<void> {
  await writeDurably(path, (file) => file.writeFile(`${JSON.stringify(value, undefined, 2)}\n`));
}

async function readJson(
  path: string | undefined,
  record: FileRecord | undefined,
): Promise<JsonObject | undefined> {
  const value = await ifThere(path, record, readJsonFile);
  if (value === undefined) return undefined;
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new FormatError(`${path}: expected a JSON object`);
  return value as JsonObject;
}

/** What `read` makes of a file; undefined if there is none and none is expected. */
async function ifThere<T>(
  path: string | undefined,
  record: FileRecord | undefined,
  read: (path: string, expected?: ExpectedFile) => Promise<T>,
): Promise<T | undefined> {
  if (path === undefined) return undefined;
  const expected = record && { record, advice };
  try {
    return await read(path, expected);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    if (expected !== undefined) checkBytes(path, undefined, expected);
    return undefined;
  }
}
