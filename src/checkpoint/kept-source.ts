/**
 * The files of a model that a network brings, kept in a folder on this machine under the sums of the model's manifest. A
 * kept file is used if it has these sums, and fetched again if not. A model without a manifest is not kept. Knows no
 * platform: what keeps the files it is told (`Folder`).
 */
import { type ByteRanges, type ByteSource, sameBytes } from "../bytes/index.ts";
import { FormatError, StoreError } from "../errors.ts";
import { checkedRanges } from "./checked-ranges.ts";
import { type FileRecord, type Manifest, manifestName, parseManifest } from "./manifest.ts";
import { checkRanges, findDamageIn } from "./sums.ts";

/** Where files are kept: one folder for each model. */
export interface Folder {
  /** Undefined where there is no such file. */
  open(file: string): Promise<KeptFile | undefined>;
  /** Takes the file's place when all parts are written; leaves nothing if that fails. */
  write(file: string, parts: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void>;
  /** Removes all files. */
  clear(): Promise<void>;
  /** Bytes of all files of all models. */
  usedBytes(): Promise<number>;
}

export interface KeptFile {
  readonly size: number;
  read(begin: number, end: number): Promise<Uint8Array>;
}

export interface KeptSourceOptions {
  readonly folder: Folder;
  /** What all models together may take there. What has no room is read from `inner` each time. */
  readonly mostBytes: number;
  /**
   * Files of at most this size are fetched in one request, which servers without ranges answer, too, and are in memory
   * once; larger ones are fetched in parts. Default 64 MiB.
   */
  readonly wholeBytes?: number;
}

/** A part of a larger file. */
const PART_BYTES = 1 << 22;

/** The files of `inner`. Its manifest is asked for first; where no answer comes, the kept one is taken. */
export function keptSource(inner: ByteSource, options: KeptSourceOptions): ByteSource {
  const { folder, mostBytes, wholeBytes = 1 << 26 } = options;
  let manifest: Promise<Manifest> | undefined;
  /** Without a network there are the files of the kept manifest, and no others. */
  let isOffline = false;

  const keptBytes = async (file: string): Promise<Uint8Array | undefined> => {
    const kept = await folder.open(file);
    return kept?.read(0, kept.size);
  };

  const readManifest = async (most: number): Promise<Uint8Array | undefined> => {
    const before = await keptBytes(manifestName);
    let now: Uint8Array | undefined;
    try {
      now = await inner.read(manifestName, most);
    } catch (error) {
      // Whoever has no network goes on with what was kept.
      if (!(error instanceof StoreError) || before === undefined) throw error;
      now = before;
      isOffline = true;
    }
    const isSame = now !== undefined && before !== undefined && sameBytes(now, before);
    if (before !== undefined && !isSame) await folder.clear();
    let records: Manifest = new Map();
    try {
      if (now !== undefined)
        records = parseManifest(new TextDecoder().decode(now), inner.nameOf(manifestName));
      if (records.size > 0 && !isSame) await folder.write(manifestName, [now!]);
    } catch (error) {
      // Whoever opens the model is told; a full disk keeps nothing.
      if (error instanceof FormatError) records = new Map();
    }
    manifest = Promise.resolve(records);
    return now;
  };

  const recordOf = async (file: string): Promise<FileRecord | undefined> => {
    if (manifest === undefined) await readManifest(1 << 24);
    const record = (await manifest)!.get(file);
    return record?.sums === undefined ? undefined : record;
  };

  const hasRoom = async (bytes: number): Promise<boolean> =>
    (await folder.usedBytes()) + bytes <= mostBytes;

  let keeping: Promise<void> = Promise.resolve();
  /** Files are asked for together and kept one after another: each has the room that the others left. */
  const keep = (file: string, bytes: Uint8Array): Promise<void> =>
    (keeping = keeping
      .then(async () => {
        if (await hasRoom(bytes.length)) await folder.write(file, [bytes]);
      })
      .catch(() => undefined));

  /** A file that fits into memory. */
  const whole = async (
    file: string,
    record: FileRecord,
  ): Promise<{ readonly bytes: Uint8Array; readonly isSound: boolean } | undefined> => {
    const kept = await keptBytes(file).catch(() => undefined);
    if (kept !== undefined && hasSums(kept, record)) return { bytes: kept, isSound: true };
    const bytes = await inner.read(file, record.bytes);
    if (bytes === undefined) return undefined;
    // What is damaged is refused by whoever opens the model.
    const isSound = hasSums(bytes, record);
    if (isSound) await keep(file, bytes);
    return { bytes, isSound };
  };

  /** A larger file, kept whole; undefined where that does not work. */
  const large = async (file: string, record: FileRecord): Promise<ByteRanges | undefined> => {
    const name = inner.nameOf(file);
    const before = await folder.open(file);
    if (before?.size === record.bytes) {
      const ranges = rangesOf(name, before);
      try {
        await checkRanges(ranges, { record });
        return ranges;
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
      }
    }
    if (!(await hasRoom(record.bytes))) return undefined;
    const found = await inner.open(file);
    if (found === undefined) return undefined;
    const ranges = await checkedRanges(found, record);
    try {
      await folder.write(file, partsOf(ranges));
    } catch (error) {
      if (error instanceof FormatError || error instanceof StoreError) throw error;
      return undefined;
    } finally {
      await ranges.close();
    }
    const kept = await folder.open(file);
    return kept && rangesOf(name, kept);
  };

  return {
    name: inner.name,
    isTrusted: inner.isTrusted,
    nameOf: (file) => inner.nameOf(file),
    ...(inner.single !== undefined && { single: inner.single }),
    ...(inner.whatElse && { whatElse: () => inner.whatElse!() }),
    async read(file, most): Promise<Uint8Array | undefined> {
      if (file === manifestName) return readManifest(most);
      const record = await recordOf(file);
      if (record === undefined && isOffline) return undefined;
      if (record === undefined || record.bytes > most) return inner.read(file, most);
      return (await whole(file, record))?.bytes;
    },
    async open(file, how): Promise<ByteRanges | undefined> {
      const record = await recordOf(file);
      if (record === undefined) return isOffline ? undefined : inner.open(file, how);
      if (record.bytes <= wholeBytes) {
        const found = await whole(file, record);
        return (
          found && {
            ...rangesOf(inner.nameOf(file), inMemory(found.bytes)),
            isChecked: found.isSound,
          }
        );
      }
      // Of a table that stays where it is, only some rows are read.
      const kept = how?.isRandom === true ? undefined : await large(file, record);
      return kept ?? inner.open(file, how);
    },
  };
}

function hasSums(bytes: Uint8Array, record: FileRecord): boolean {
  return findDamageIn(bytes, record).next().done === true;
}

function inMemory(bytes: Uint8Array): KeptFile {
  return { size: bytes.length, read: async (begin, end) => bytes.subarray(begin, end) };
}

function rangesOf(name: string, file: KeptFile): ByteRanges {
  let isClosed = false;
  return {
    name,
    size: file.size,
    maxGapBytes: PART_BYTES / 64,
    maxCallBytes: PART_BYTES,
    maxInFlight: 4,
    async read(begin, into): Promise<void> {
      if (isClosed) throw new StoreError(`${name} was closed; open it again`);
      const bytes = await file.read(begin, begin + into.length);
      if (bytes.length !== into.length)
        throw new StoreError(`${name} has ${file.size} bytes, asked for ${begin + into.length}`);
      into.set(bytes);
    },
    async close(): Promise<void> {
      isClosed = true;
    },
  };
}

async function* partsOf(ranges: ByteRanges): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < ranges.size; at += PART_BYTES) {
    const part = new Uint8Array(Math.min(PART_BYTES, ranges.size - at));
    await ranges.read(at, part);
    yield part;
  }
}
