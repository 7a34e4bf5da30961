/**
 * A GGUF file, or its parts, as the files of a model: its settings as config.json, generation_config.json, tokenizer.json and chat
 * template, its tensors under the names used here. Rows that the format puts elsewhere (fused projections, paired
 * rotary rows) are put back as bytes, so blocks stay as they are. Knows no element types and computes nothing.
 */
import type { ByteRanges, ByteSource } from "./bytes/index.ts";
import {
  GgufFiles,
  type GgufTensor,
  type JsonObject,
  type LocatedTensor,
  MissingFileError,
  type ModelFiles,
  type ReadRangeOptions,
} from "./checkpoint/index.ts";
import { FormatError, InvalidConfigError, RequestError } from "./errors.ts";
import { ggufConfigJson, type GgufPart, ggufParts } from "./model/index.ts";
import {
  ggufTokenizerFile,
  ggufTokenizerJson,
  type GgufSettings,
  type TokenizerSource,
} from "./tokenizer/index.ts";

/** Divisors of rotary frequencies, which are settings in all but name. */
const ropeFactorsName = "rope_freqs.weight";

/** Tensors that change nothing, because they are computed here. */
const harmless: readonly string[] = [ropeFactorsName, "rope_freqs"];

/** A tensor here: a tensor of the file, or rows of it. */
interface Piece {
  readonly located: LocatedTensor;
  readonly inFile: GgufTensor;
  readonly pairedHeads?: number | undefined;
}

export class GgufModel implements ModelFiles {
  readonly hasOwnNames = true;
  readonly source: ByteSource;
  readonly config: JsonObject;
  readonly generationConfig: JsonObject;
  readonly #file: GgufFiles;
  readonly #pieces: ReadonlyMap<string, Piece>;

  private constructor(
    source: ByteSource,
    parts: { file: GgufFiles; config: JsonObject; pieces: ReadonlyMap<string, Piece> },
  ) {
    this.source = source;
    this.config = parts.config;
    this.generationConfig = generationOf(parts.file.header.metadata);
    this.#file = parts.file;
    this.#pieces = parts.pieces;
  }

  /**
   * Reads the headers of the file `name` and of the parts that belong to it, and no weights. Throws `FormatError` for a file that is not sound, and
   * `InvalidConfigError` for a model that cannot be computed here.
   */
  static async open(source: ByteSource, name: string): Promise<GgufModel> {
    const file = await GgufFiles.open(source, name);
    try {
      const { metadata, tensors } = file.header;
      const embedding = tensors.get("token_embd.weight");
      if (embedding === undefined) throw new FormatError("it has no tensor token_embd.weight");
      const factors = tensors.get(ropeFactorsName);
      const config = ggufConfigJson(metadata, {
        vocabSize: embedding.shape[0]!,
        isTied: !tensors.has("output.weight"),
        ropeFactors: factors && (await readFactors(file, factors)),
      });
      const pieces = new Map<string, Piece>();
      for (const tensor of tensors.values())
        if (!harmless.includes(tensor.name))
          for (const part of ggufParts(metadata, tensor.name)) {
            const piece = pieceOf(tensor, part);
            if (pieces.has(part.name))
              throw new FormatError(`two tensors stand for "${part.name}", one is ${tensor.name}`);
            pieces.set(part.name, piece);
          }
      return new GgufModel(source, { file, config, pieces });
    } catch (cause) {
      await file.close();
      throw named(source.name, cause);
    }
  }

  get path(): string {
    return this.source.name;
  }

  async tokenizer(): Promise<string> {
    return this.#vocabulary(ggufTokenizerJson);
  }

  tokenizerFile(): TokenizerSource | undefined {
    return this.#vocabulary(ggufTokenizerFile);
  }

  #vocabulary<T>(read: (settings: GgufSettings) => T): T {
    try {
      return read(this.#file.header.metadata);
    } catch (cause) {
      throw named(this.path, cause);
    }
  }

  async chatTemplate(): Promise<string | undefined> {
    const template = this.#file.header.metadata.get("tokenizer.chat_template");
    if (template === undefined || typeof template === "string") return template;
    throw new FormatError(`${this.path}: tokenizer.chat_template should be a text`);
  }

  /** Files of this kind have no place for it. */
  async corpus(): Promise<undefined> {
    return undefined;
  }

  async tensors(): Promise<ReadonlyMap<string, LocatedTensor>> {
    return new Map([...this.#pieces].map(([name, { located }]) => [name, located]));
  }

  async find(name: string): Promise<LocatedTensor | undefined> {
    return this.#pieces.get(name)?.located;
  }

  async read(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const { located, inFile, pairedHeads } = this.#piece(name);
    const bytes = new Uint8Array(located.end - located.begin);
    await this.#file.readRange(inFile.name, { begin: located.begin - inFile.begin, into: bytes });
    if (pairedHeads === undefined) return bytes;
    return unpaired(bytes, { rows: located.shape[0]!, heads: pairedHeads });
  }

  async readRange(name: string, { begin, end, into }: ReadRangeOptions): Promise<void> {
    const { located, inFile, pairedHeads } = this.#piece(name);
    const place = into.subarray(0, end - begin);
    if (pairedHeads !== undefined) place.set((await this.read(name)).subarray(begin, end));
    else {
      const from = located.begin - inFile.begin + begin;
      await this.#file.readRange(inFile.name, { begin: from, into: place });
    }
  }

  async openFile(file: string): Promise<ByteRanges> {
    throw new MissingFileError(this.path, file);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #piece(name: string): Piece {
    const piece = this.#pieces.get(name);
    if (piece === undefined) throw new RequestError(`${this.path} has no tensor "${name}"`);
    return piece;
  }
}

/** Says which file it is about. */
function named(path: string, cause: unknown): unknown {
  if (cause instanceof FormatError) return new FormatError(`${path}: ${cause.message}`, { cause });
  if (cause instanceof InvalidConfigError)
    return new InvalidConfigError(`${path}: ${cause.message}`, { cause });
  return cause;
}

async function readFactors(file: GgufFiles, tensor: GgufTensor): Promise<Float32Array> {
  if (tensor.dtype !== "F32")
    throw new FormatError(`tensor "${tensor.name}" should be F32, it is ${tensor.dtype}`);
  return new Float32Array((await file.read(tensor.name)).buffer);
}

function pieceOf(tensor: GgufTensor & { readonly file: string }, part: GgufPart): Piece {
  const { dtype, shape, begin, end, file } = tensor;
  const { name, third, pairedHeads } = part;
  const parts = third === undefined ? 1 : 3;
  const rows = (shape[0] ?? 0) / parts;
  const whole = { rows, heads: 2 * (pairedHeads ?? 1) };
  if (!Number.isInteger(rows) || (pairedHeads !== undefined && rows % whole.heads !== 0))
    throw new FormatError(
      `tensor "${tensor.name}" has ${shape[0] ?? 0} rows, which is no multiple of ${parts * whole.heads}`,
    );
  const bytes = (end - begin) / parts;
  const from = begin + bytes * (third ?? 0);
  return {
    located: {
      name,
      dtype,
      shape: [rows, ...shape.slice(1)],
      begin: from,
      end: from + bytes,
      file,
    },
    inFile: tensor,
    pairedHeads,
  };
}

/** Rows 0, h, 1, h + 1, ... of each head of 2h rows -> 0, 1, ..., 2h - 1. */
function unpaired(
  bytes: Uint8Array,
  { rows, heads }: { rows: number; heads: number },
): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(bytes.length);
  const rowBytes = bytes.length / rows;
  const half = rows / heads / 2;
  for (let row = 0; row < rows; row++) {
    const within = row % (2 * half);
    const to = row - within + (within % 2) * half + (within >>> 1);
    out.set(bytes.subarray(row * rowBytes, (row + 1) * rowBytes), to * rowBytes);
  }
  return out;
}

/** All tokens that end an answer, and how tokens are chosen where the file says it. */
function generationOf(metadata: ReadonlyMap<string, unknown>): JsonObject {
  const id = (key: string): unknown => metadata.get(`tokenizer.ggml.${key}_token_id`);
  const stops = new Set(["eos", "eot", "eom"].map(id).filter((one) => one !== undefined));
  const names = {
    temperature: "temp",
    top_k: "top_k",
    top_p: "top_p",
    min_p: "min_p",
    repetition_penalty: "penalty_repeat",
  };
  const sampling = Object.entries(names).flatMap(([key, name]) => {
    const value = metadata.get(`general.sampling.${name}`);
    return value === undefined ? [] : [[key, value] as const];
  });
  return {
    ...(id("bos") !== undefined && { bos_token_id: id("bos") }),
    ...(stops.size > 0 && { eos_token_id: [...stops] }),
    ...Object.fromEntries(sampling),
  };
}
