/**
 * Packs by their paths: written from what was counted, opened by their headers, read whole with their sum compared. Knows
 * no model and no texts.
 */
import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { countedTensors as counted } from "../../at-rest/index.ts";
import type { ByteRanges } from "../../bytes/index.ts";
import {
  layoutFile,
  SafetensorsFile,
  type TensorSource,
  tensorSource,
} from "../../checkpoint/index.ts";
import { openPath, writeSafetensors } from "../../checkpoint/node/index.ts";
import { FormatError, InvalidConfigError } from "../../errors.ts";
import {
  BLOCK_BYTES,
  checkDirectory,
  type CountedTable,
  DocumentsOfNgrams,
  ENTRY,
  numContextsIn,
  openRamStore,
} from "../../memory/index.ts";
import {
  documentsName,
  formatPackInfo,
  infoName,
  isPackHeader,
  type PackInfo,
  parsePackHeader,
  readerNames,
  type ReaderWeights,
  SUM_BYTES,
  sumName,
} from "../pack-format.ts";

/** Bytes read at a time. */
const PIECE_BYTES = 1 << 22;

/** Writes a pack, as a whole or not at all. Returns its sum. */
export async function writePack(
  path: string,
  {
    info,
    counts,
    reader,
    documents,
  }: {
    info: PackInfo;
    /** As `countedSourcesOf` has them. */
    counts: readonly TensorSource[];
    reader?: ReaderWeights | undefined;
    /** Which document n-grams are from, where the texts say how many they have: as `DocumentSums` gives it. */
    documents?: Uint32Array | undefined;
  },
): Promise<string> {
  const { order } = info;
  const weights = Object.entries(reader ?? {}).map(([of, data]) =>
    tensorSource(
      {
        name: readerNames[of as keyof ReaderWeights],
        dtype: "F32",
        shape: of === "bias" ? [order] : [order, data.length / order],
      },
      data,
    ),
  );
  const origins =
    documents === undefined
      ? []
      : [
          tensorSource(
            { name: documentsName, dtype: "U32", shape: [documents.length / ENTRY, ENTRY] },
            documents,
          ),
        ];
  const hash = createHash("sha256");
  const summed = [...counts, ...weights, ...origins].map((source) => ({
    ...source,
    async *chunks() {
      for await (const chunk of source.chunks()) {
        hash.update(chunk);
        yield chunk;
      }
    },
  }));
  let id = "";
  const sum: TensorSource = {
    name: sumName,
    dtype: "U8",
    shape: [SUM_BYTES],
    chunks() {
      // It is written last, so all others went through the hash.
      const digest = hash.digest();
      id = digest.toString("hex");
      return [digest];
    },
  };
  // Either both or none: what the texts say, and the list.
  const texts = info.texts.map((text) =>
    documents === undefined ? { ...text, documents: undefined } : text,
  );
  const metadata = { [infoName]: formatPackInfo({ ...info, texts }) };
  hash.update(layoutFile([...summed, sum], metadata).bytes);
  await writeSafetensors(path, [...summed, sum], metadata);
  return id;
}

async function openFile(path: string): Promise<ByteRanges> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile() === true) return openPath(path);
  const what =
    found === undefined ? "no such file" : found.isDirectory() ? "a directory" : "no file";
  throw new InvalidConfigError(
    `${path}: expected a pack, found ${what}; engram pack build makes packs`,
  );
}

/** Whether a file is a pack, or was one before it was damaged. */
export async function isPackFile(path: string): Promise<boolean> {
  try {
    await using file = await SafetensorsFile.open(await openFile(path));
    return isPackHeader(file.header);
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

/** A pack of which only the header was read. */
export class PackFile {
  readonly path: string;
  readonly info: PackInfo;
  /** Of the whole file. */
  readonly fileBytes: number;
  readonly #file: SafetensorsFile;
  readonly #head: Uint8Array;

  private constructor(file: SafetensorsFile, info: PackInfo, head: Uint8Array) {
    this.path = file.path;
    this.info = info;
    this.fileBytes = file.header.fileBytes;
    this.#file = file;
    this.#head = head;
  }

  /** Throws `FormatError` for what is no pack, or not a whole one. */
  static async open(path: string): Promise<PackFile> {
    const ranges = await openFile(path);
    const file = await SafetensorsFile.open(ranges).catch((cause: unknown) => {
      if (!(cause instanceof FormatError)) throw cause;
      throw new FormatError(`expected a pack, as engram pack build makes them; ${cause.message}`, {
        cause,
      });
    });
    try {
      const info = parsePackHeader(file.header);
      const head = new Uint8Array(file.header.dataBegin);
      await ranges.read(0, head);
      return new PackFile(file, info, head);
    } catch (cause) {
      await file.close();
      if (!(cause instanceof FormatError)) throw cause;
      throw new FormatError(`${path}: ${cause.message}`, { cause });
    }
  }

  /** About how many contexts have a row. */
  get numContexts(): number {
    const { vocabSize } = this.info;
    const numOffsets = this.#file.tensors.get(counted.offsets)!.shape[0]!;
    return vocabSize + numContextsIn(numOffsets - 1, vocabSize);
  }

  /**
   * Its table in memory, and its sum, which was compared with its bytes. Throws `FormatError` where they differ, or where
   * the table is none.
   */
  async read({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<ReadPack> {
    const hash = createHash("sha256").update(this.#head);
    const small = new Map<string, Uint8Array<ArrayBuffer>>();
    const numRows = this.#file.tensors.get(counted.buckets)!.shape[0]!;
    const buckets = await openRamStore({ numRows, rowBytes: BLOCK_BYTES });
    let sum: Uint8Array = new Uint8Array(0);
    for (const { name, begin, end } of this.#file.tensors.values()) {
      if (name === sumName) sum = await this.#file.read(name);
      else if (name === counted.buckets) {
        let at = 0;
        for (const segment of buckets.segments)
          for (let from = 0; from < segment.length; from += PIECE_BYTES) {
            signal?.throwIfAborted();
            const into = segment.subarray(from, from + PIECE_BYTES);
            await this.#file.readRange(name, { begin: at, end: at + into.length, into });
            hash.update(into);
            at += into.length;
          }
      } else {
        const bytes = new Uint8Array(end - begin);
        await this.#file.readRange(name, { begin: 0, end: bytes.length, into: bytes });
        hash.update(bytes);
        small.set(name, bytes);
      }
    }
    const digest = hash.digest();
    if (!digest.equals(sum))
      throw new FormatError(
        `${this.path}: the pack's bytes have the SHA-256 ${digest.toString("hex")}, not the one that it ends with: ` +
          "it is damaged; fetch or build it again",
      );
    const { order, vocabSize } = this.info;
    const directory = {
      order,
      vocabSize,
      offsets: new Uint32Array(small.get(counted.offsets)!.buffer),
      unigrams: new Uint32Array(small.get(counted.unigrams)!.buffer),
      discounts: new Float64Array(small.get(counted.discounts)!.buffer),
    };
    const entries = small.get(documentsName);
    let documents: DocumentsOfNgrams | undefined;
    try {
      checkDirectory(directory, numRows * BLOCK_BYTES);
      if (entries !== undefined)
        documents = new DocumentsOfNgrams(new Uint32Array(entries.buffer), this.info);
    } catch (cause) {
      if (!(cause instanceof FormatError)) throw cause;
      throw new FormatError(`${this.path}: ${cause.message}`, { cause });
    }
    const numbers = (of: keyof ReaderWeights): Float32Array => {
      const found = new Float32Array(small.get(readerNames[of])!.buffer);
      if (found.every(Number.isFinite)) return found;
      throw new FormatError(
        `${this.path}: "${readerNames[of]}" has numbers that are none; train the reader again`,
      );
    };
    return {
      id: digest.toString("hex"),
      table: { ...directory, buckets },
      documents,
      reader: this.info.reader && {
        hidden: numbers("hidden"),
        evidence: numbers("evidence"),
        bias: numbers("bias"),
      },
    };
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

export interface ReadPack {
  /** Its sum, in hexadecimal. */
  readonly id: string;
  readonly table: CountedTable;
  /** Which of its documents n-grams are from; undefined where it does not say. */
  readonly documents: DocumentsOfNgrams | undefined;
  readonly reader: ReaderWeights | undefined;
}
