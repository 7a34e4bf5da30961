/**
 * A model as files, in the layout of Hugging Face, wherever they are: what is where. Finds tensors by name over all
 * files and reads them when asked. Does not know what a model computes, which tensors it needs, or what the settings
 * mean.
 *
 *     config.json                              settings, `engram_*` keys and hash constants included
 *     generation_config.json                   sampling defaults (optional)
 *     tokenizer.json                           (optional)
 *     chat_template.jinja                      (optional; read, or from tokenizer_config.json)
 *     quantization.json                        what quantising cost, where it was done (optional)
 *     model.safetensors                        the backbone, or
 *     model-00001-of-0000N.safetensors         its parts, as Hugging Face's loaders know them
 *     corpus.ngrams                            the n-grams of the text it was trained on, with their counts (optional)
 *     model-engram-00001-of-0000N.safetensors  tables, in files of their own
 *     model.safetensors.index.json             tensor name -> file, when there is more than one file
 *     manifest.json                            sizes and sums of all of these (models of others have none)
 *
 * Tables have files of their own because they are large, are read in parts, and may lie on another
 * disk (a symbolic link will do). A reader that knows nothing of Engram finds a plain model in
 * the backbone's.
 */
import type { ByteRanges, ByteSource, OpenOptions } from "../bytes/index.ts";
import { FormatError, RequestError } from "../errors.ts";
import { isRecord } from "../json-values.ts";
import type { GgmlBlockType } from "../numerics/index.ts";
import { checkedRanges } from "./checked-ranges.ts";
import { type Manifest, parseManifest } from "./manifest.ts";
import { isPlainName } from "./plain-name.ts";
import { type ReadRangeOptions, SafetensorsFile } from "./safetensors-file.ts";
import type { FileDType, TensorSpan } from "./safetensors.ts";
import { checkBytes, checkRanges, type ExpectedFile } from "./sums.ts";
import { decodeJson, decodeText, MAX_TEXT_BYTES } from "./text.ts";

export type JsonObject = { readonly [key: string]: unknown };

/** A tensor and the file (name within the source) that holds it. */
export interface LocatedTensor extends Omit<TensorSpan, "dtype"> {
  readonly dtype: FileDType | GgmlBlockType;
  readonly file: string;
}

/** Settings and tensors of a model, whatever holds them. */
export interface ModelFiles {
  readonly source: ByteSource;
  /** Where the model is, for messages. */
  readonly path: string;
  readonly config: JsonObject;
  readonly generationConfig: JsonObject | undefined;
  /** Whether each weight is a tensor of its own under the name used here, whatever its family's files do. */
  readonly hasOwnNames: boolean;
  /** The text of tokenizer.json, or undefined if there is none. */
  tokenizer(): Promise<string | undefined>;
  /** The Jinja source that makes a prompt of messages. */
  chatTemplate(): Promise<string | undefined>;
  /** How often n-grams were met in training, as a file of counts (`memory/counted/corpus-ngrams.ts`), if it says so. */
  corpus(): Promise<Uint8Array | undefined>;
  /** Every tensor. Of those for which `without` holds, files may be missing. */
  tensors(options?: {
    without?: (name: string) => boolean;
  }): Promise<ReadonlyMap<string, LocatedTensor>>;
  /** One tensor's element type, shape and place, or undefined if the model has none of that name. */
  find(name: string): Promise<LocatedTensor | undefined>;
  /** All bytes of a tensor. Throws `RequestError` if the model has none of that name. */
  read(name: string): Promise<Uint8Array<ArrayBuffer>>;
  readRange(name: string, options: ReadRangeOptions): Promise<void>;
  /** One file, for whoever asks, who also closes it. Throws `MissingFileError` if it is not there. */
  openFile(file: string, options?: OpenOptions): Promise<ByteRanges>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Names of a model's files. */
export const modelNames = {
  weights: "model.safetensors",
  index: "model.safetensors.index.json",
  config: "config.json",
  generation: "generation_config.json",
  tokenizer: "tokenizer.json",
  chatTemplate: "chat_template.jinja",
  certificate: "quantization.json",
  corpus: "corpus.ngrams",
  manifest: "manifest.json",
} as const;

/** Other libraries keep the chat template here, among what their tokenizers need. */
const tokenizerConfigName = "tokenizer_config.json";

/** A configuration is sometimes edited. */
const advice = "if on purpose: engram verify DIR --seal makes new sums";

/** Twice what is written at most. */
const MAX_CORPUS_BYTES = 8e6;

/** A file up to this size is checked whole when it is opened: some 50 ms. Of a larger one, its header is. */
const CHECKED_BYTES = 1 << 25;

/** Files; an index may name any number. */
const ASKED_AT_ONCE = 8;

/** Holds the settings, and files open from their first use to `close`. */
export class ModelDirectory implements ModelFiles {
  readonly hasOwnNames = false;
  readonly source: ByteSource;
  readonly config: JsonObject;
  readonly generationConfig: JsonObject | undefined;
  /** Tensor name -> file name; undefined where one file holds all. */
  readonly #index: ReadonlyMap<string, string> | undefined;
  readonly #manifest: Manifest;
  readonly #open = new Map<string, Promise<SafetensorsFile>>();

  private constructor(
    source: ByteSource,
    parts: {
      config: JsonObject;
      generationConfig: JsonObject | undefined;
      index: ReadonlyMap<string, string> | undefined;
      manifest: Manifest;
    },
  ) {
    this.source = source;
    this.config = parts.config;
    this.generationConfig = parts.generationConfig;
    this.#index = parts.index;
    this.#manifest = parts.manifest;
  }

  /**
   * Reads the settings and the index; no weights, not even headers. Throws `FormatError` if there is
   * no model in `source` or its JSON files are not what they should be.
   */
  static async open(source: ByteSource): Promise<ModelDirectory> {
    const manifest = await readManifest(source);
    const read = (name: string): Promise<JsonObject | undefined> =>
      readJson(source, name, manifest);
    const [config, generationConfig, index] = await Promise.all([
      read(modelNames.config),
      read(modelNames.generation),
      read(modelNames.index),
    ]);
    if (config === undefined) {
      const found = (await source.whatElse?.()) ?? `it has no ${modelNames.config}`;
      throw new FormatError(`${source.name}: expected a model directory, ${found}`);
    }
    return new ModelDirectory(source, {
      config,
      generationConfig,
      manifest,
      index: index && parseIndex(source.nameOf(modelNames.index), index),
    });
  }

  /** Where the model is, for messages. */
  get path(): string {
    return this.source.name;
  }

  /** The text of tokenizer.json, or undefined if there is none. */
  async tokenizer(): Promise<string | undefined> {
    return this.#readText(modelNames.tokenizer);
  }

  /** The Jinja source that makes a prompt of messages, from either place where models keep it. */
  async chatTemplate(): Promise<string | undefined> {
    const own = await this.#readText(modelNames.chatTemplate);
    if (own !== undefined) return own;
    const settings = await readJson(this.source, tokenizerConfigName, this.#manifest);
    const template = settings?.["chat_template"];
    if (template === undefined || typeof template === "string") return template;
    throw new FormatError(
      `${this.source.nameOf(tokenizerConfigName)}: expected "chat_template" to be one text; several named templates are not supported`,
    );
  }

  async corpus(): Promise<Uint8Array | undefined> {
    const found = await readIfThere(
      this.source,
      modelNames.corpus,
      this.#manifest,
      MAX_CORPUS_BYTES,
    );
    if (found?.expected !== undefined) checkBytes(found.path, found.bytes, found.expected);
    return found?.bytes;
  }

  /**
   * Every tensor, with the file that holds it, and under a second name where a file says that two names stand for one
   * tensor (in `__metadata__`, as tied weights are saved). Reads all headers, and checks that index and files
   * name the same tensors. Throws `FormatError` otherwise. Files that by the index have nothing but tensors of
   * `without` are not opened, and need not be there.
   */
  async tensors({ without = () => false }: { without?: (name: string) => boolean } = {}): Promise<
    ReadonlyMap<string, LocatedTensor>
  > {
    const all = new Map<string, LocatedTensor>();
    const index = [...(this.#index ?? [])].filter(([name]) => !without(name));
    const files =
      this.#index === undefined ? [modelNames.weights] : new Set(index.map(([, file]) => file));
    const inOrder = [...files];
    for (const [i, file] of inOrder.entries()) {
      // Over a network each of them costs a wait. One that is not there is told when its turn comes.
      for (const next of inOrder.slice(i, i + ASKED_AT_ONCE)) void this.#file(next);
      for (const span of (await this.#file(file)).tensors.values()) {
        if (this.#index !== undefined && this.#index.get(span.name) !== file)
          throw new FormatError(
            `${this.source.nameOf(file)} holds tensor "${span.name}", ${modelNames.index} says it is in ${this.#index.get(span.name) ?? "no file"}`,
          );
        all.set(span.name, { ...span, file });
      }
    }
    for (const [name, file] of index) if (!all.has(name)) throw this.#notThere(name, file);
    for (const file of files)
      for (const [alias, name] of (await this.#file(file)).header.metadata) {
        const found = all.get(name);
        if (found?.file === file && !all.has(alias)) all.set(alias, found);
      }
    return all;
  }

  /** One tensor's element type, shape and place, or undefined if the model has none of that name. */
  async find(name: string): Promise<LocatedTensor | undefined> {
    const file = this.#index === undefined ? modelNames.weights : this.#index.get(name);
    if (file === undefined) return undefined;
    const span = (await this.#file(file)).tensors.get(name);
    if (span === undefined && this.#index !== undefined) throw this.#notThere(name, file);
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

  /** One file, for whoever asks, who also closes it. Throws `MissingFileError` if it is not there. */
  async openFile(file: string, options?: OpenOptions): Promise<ByteRanges> {
    const ranges = await this.source.open(file, options);
    if (ranges === undefined) throw new MissingFileError(this.path, file);
    return this.source.isTrusted || ranges.isChecked === true
      ? ranges
      : checkedRanges(ranges, this.#manifest.get(file));
  }

  async close(): Promise<void> {
    const files = await Promise.allSettled(this.#open.values());
    this.#open.clear();
    for (const file of files) if (file.status === "fulfilled") await file.value.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #notThere(name: string, file: string): FormatError {
    return new FormatError(
      `${this.source.nameOf(file)} has no tensor "${name}"; ${modelNames.index} says it has`,
    );
  }

  async #fileOf(name: string): Promise<string> {
    const found = await this.find(name);
    if (found === undefined) throw new RequestError(`${this.path} has no tensor "${name}"`);
    return found.file;
  }

  async #readText(name: string): Promise<string | undefined> {
    const found = await readIfThere(this.source, name, this.#manifest);
    return found && decodeText(found.path, found.bytes, found.expected);
  }

  #file(name: string): Promise<SafetensorsFile> {
    let file = this.#open.get(name);
    if (file === undefined) {
      file = this.#openChecked(name);
      this.#open.set(name, file);
      file.catch(() => this.#open.delete(name));
    }
    return file;
  }

  async #openChecked(name: string): Promise<SafetensorsFile> {
    const ranges = await this.openFile(name);
    const file = await SafetensorsFile.open(ranges);
    const record = this.#manifest.get(name);
    try {
      // Of what is not trusted every part is checked whenever it is read.
      if (record !== undefined && this.source.isTrusted) {
        const first = record.bytes > CHECKED_BYTES ? file.header.dataBegin : Infinity;
        await checkRanges(ranges, { record, first, advice });
      }
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  }
}

/** A file that a model should have, and that is not there. */
export class MissingFileError extends FormatError {
  constructor(path: string, file: string) {
    super(`${path}: ${file} is missing; the model is not complete`);
  }
}

interface FoundFile {
  /** For messages. */
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly expected: ExpectedFile | undefined;
}

/**
 * The files that were saved with a model, settings or not: each with the sums of the manifest, which is read once.
 * Resolves to undefined for one that the manifest does not list, which is not asked for.
 */
export async function savedFiles(
  source: ByteSource,
): Promise<(name: string, most: number) => Promise<Uint8Array | undefined>> {
  const manifest = await readManifest(source);
  return async (name, most) => {
    if (!manifest.has(name)) return undefined;
    const { path, bytes, expected } = (await readIfThere(source, name, manifest, most))!;
    checkBytes(path, bytes, expected!);
    return bytes;
  };
}

/**
 * A file of at most `most` bytes; undefined if there is none and none is expected. A server is not asked for what the
 * manifest does not list: no sum would check it.
 */
async function readIfThere(
  source: ByteSource,
  name: string,
  manifest: Manifest,
  most = MAX_TEXT_BYTES,
): Promise<FoundFile | undefined> {
  const path = source.nameOf(name);
  const record = manifest.get(name);
  const expected = record && { record, advice };
  if (record === undefined && manifest.size > 0 && !source.isTrusted) return undefined;
  const bytes = await source.read(name, most);
  if (bytes !== undefined) return { path, bytes, expected };
  if (expected !== undefined) checkBytes(path, undefined, expected);
  return undefined;
}

async function readJson(
  source: ByteSource,
  name: string,
  manifest: Manifest,
): Promise<JsonObject | undefined> {
  const found = await readIfThere(source, name, manifest);
  if (found === undefined) return undefined;
  const value = decodeJson(found.path, found.bytes, found.expected);
  if (!isRecord(value)) throw new FormatError(`${found.path}: expected a JSON object`);
  return value;
}

/** Empty if there is none. */
async function readManifest(source: ByteSource): Promise<Manifest> {
  const bytes = await source.read(modelNames.manifest, MAX_TEXT_BYTES);
  if (bytes === undefined) return new Map();
  return parseManifest(new TextDecoder().decode(bytes), source.nameOf(modelNames.manifest));
}

/** Tensor name -> file name, by an index file. Throws `FormatError` for names that lead elsewhere. */
export function parseIndex(path: string, index: JsonObject): ReadonlyMap<string, string> {
  const map = index["weight_map"];
  if (!isRecord(map))
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
