/**
 * The facts' log as a file, `facts.log` in a directory of its own. Who reads changes nothing, and sees within a second what
 * another writes; who writes first takes the lock beside it, keeps it until it closes, and cuts off what a writer did not
 * live to finish. A failed write leaves the log as it was, or closes
 * it for writing. Knows bytes and files; not what facts mean.
 */
import { unwatchFile, watchFile } from "node:fs";
import { type FileHandle, lstat, mkdir, open, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import {
  openPlain,
  ProcessLock,
  syncDirectory,
  writeAt,
  writeDurably,
} from "../../bytes/node/index.ts";
import { FormatError, InvalidConfigError, StoreError } from "../../errors.ts";
import type { FactLog, News } from "../fact-log.ts";
import {
  commitsOf,
  encodeHeader,
  HEADER_BYTES,
  type LogRecord,
  type LogVocabulary,
  type ParsedLog,
  parseInPieces,
} from "../log-format.ts";

export const LOG_NAME = "facts.log";
const LOCK_NAME = "facts.lock";
/** Milliseconds between looks at a log that somebody else may write. */
const WATCH_INTERVAL = 1000;
/** What it says is held in memory. */
const MAX_BYTES = 2 ** 30;
/** Bytes of a log that are read at once, and those of a commit where all is written anew; more only for what is one. */
const PIECE_BYTES = 2 ** 20;

export class FactLogFile implements FactLog {
  readonly name: string;
  readonly #directory: string;
  readonly #vocabulary: (() => LogVocabulary) | undefined;
  readonly #pieceBytes: number;
  /** Of the log that was read. */
  #fingerprint: Uint8Array | undefined;
  /** How the log was when it was read. */
  #version: string | undefined;
  #end = HEADER_BYTES;
  #file: FileHandle | undefined;
  #lock: ProcessLock | undefined;
  #onChange: (() => void) | undefined;
  #broken: unknown;

  /**
   * Opens nothing. `vocabulary` is asked for where a log exists or begins; without it any vocabulary's is read, and none
   * can begin.
   */
  constructor(
    directory: string,
    {
      vocabulary,
      pieceBytes = PIECE_BYTES,
    }: { vocabulary?: () => LogVocabulary; pieceBytes?: number } = {},
  ) {
    this.name = join(directory, LOG_NAME);
    this.#directory = directory;
    this.#vocabulary = vocabulary;
    this.#pieceBytes = pieceBytes;
  }

  /** All records; none where there is no log. Throws `FormatError` for a damaged one, or another vocabulary's. */
  async read(): Promise<readonly LogRecord[]> {
    const log = await this.#parsed(this.#vocabulary?.());
    this.#version = log?.version;
    this.#end = HEADER_BYTES;
    if (log === undefined) return [];
    const { records, end, fingerprint } = log;
    this.#end = end;
    this.#fingerprint = fingerprint;
    return records;
  }

  async begin(): Promise<News | undefined> {
    if (this.#lock !== undefined) return undefined;
    try {
      await mkdir(this.#directory, { recursive: true });
      await refuseLink(this.#directory, "a directory");
      this.#lock = await ProcessLock.take(
        join(this.#directory, LOCK_NAME),
        (holder, path) =>
          `${this.name} is being written by ${holder}; ask that one (a server: --url), or wait for it ` +
          `(if no such process exists, remove ${path})`,
      );
    } catch (error) {
      throw failure(error, this.name);
    }
    this.#unwatch();
    try {
      return await this.#news();
    } catch (error) {
      await this.#lock.release();
      this.#lock = undefined;
      throw error;
    }
  }

  async look(): Promise<News | undefined> {
    return this.#lock === undefined ? this.#news() : undefined;
  }

  /** Until this is the writer, or closed. */
  watch(onNews: () => Promise<void>): void {
    let isLooking = false;
    this.#onChange = () => {
      if (isLooking) return;
      isLooking = true;
      void onNews().finally(() => (isLooking = false));
    };
    watchFile(this.name, { persistent: false, interval: WATCH_INTERVAL }, this.#onChange);
  }

  #unwatch(): void {
    if (this.#onChange !== undefined) unwatchFile(this.name, this.#onChange);
    this.#onChange = undefined;
  }

  async #news(): Promise<News | undefined> {
    await using found = await openLog(this.name);
    if (found?.version === this.#version) return undefined;
    return { records: await this.read(), isAll: true };
  }

  async append(records: readonly Uint8Array[]): Promise<void> {
    await this.#write(async () => {
      const file = (this.#file ??= await this.#open());
      let end = this.#end;
      try {
        for (const commit of commitsOf(records)) {
          await writeAt(file, commit, end);
          end += commit.length;
        }
        await file.datasync();
      } catch (error) {
        // What a failed sync has left on the disk nobody knows.
        await file.truncate(this.#end);
        await file.sync();
        throw error;
      }
      this.#end = end;
    });
  }

  async replace(records: readonly Uint8Array[]): Promise<void> {
    await this.#write(async () => {
      let end = HEADER_BYTES;
      await writeDurably(this.name, async (file) => {
        await file.writeFile(this.#header());
        for (const commit of commitsOf(records, this.#pieceBytes)) {
          await writeAt(file, commit, end);
          end += commit.length;
        }
      });
      await this.#file?.close();
      this.#file = undefined;
      this.#end = end;
    });
  }

  async close(): Promise<void> {
    this.#unwatch();
    await this.#file?.close();
    this.#file = undefined;
    if (this.#lock === undefined) return;
    await this.#lock.release();
    this.#lock = undefined;
    // Where nothing was taught nothing is left.
    if (this.#version === undefined) await rmdir(this.#directory).catch(() => undefined);
  }

  /** Opens the log for writing, which begins if it is not there, and cuts off what is not whole. */
  async #open(): Promise<FileHandle> {
    // An empty one may be of another vocabulary.
    if (this.#end === HEADER_BYTES) {
      await writeDurably(this.name, (file) => file.writeFile(this.#header()));
      await syncDirectory(dirname(this.#directory));
    }
    const file = await open(this.name, "r+");
    await file.truncate(this.#end);
    return file;
  }

  #header(): Uint8Array {
    const fingerprint = this.#vocabulary?.().fingerprint ?? this.#fingerprint;
    if (fingerprint !== undefined) return encodeHeader(fingerprint);
    throw new InvalidConfigError(`${this.name}: nothing was taught here yet`);
  }

  async #write(work: () => Promise<void>): Promise<void> {
    if (this.#lock === undefined) throw new StoreError(`${this.name} is not open for writing`);
    if (this.#broken !== undefined) throw failure(this.#broken, this.name);
    try {
      await work();
    } catch (error) {
      await this.#file?.close().catch(() => undefined);
      this.#file = undefined;
      // Whether the log is still what was acknowledged shows by reading it.
      const end = await this.#wholeEnd().catch(() => undefined);
      if (end !== this.#end) this.#broken = error;
      throw failure(error, this.name);
    }
  }

  async #wholeEnd(): Promise<number> {
    return (await this.#parsed(undefined))?.end ?? HEADER_BYTES;
  }

  /** What the log says now; undefined where there is none. */
  async #parsed(
    vocabulary: LogVocabulary | undefined,
  ): Promise<(ParsedLog & { readonly version: string }) | undefined> {
    await using found = await openLog(this.name);
    if (found === undefined) return undefined;
    const { file, size, version } = found;
    const steps = parseInPieces(size, { where: this.name, vocabulary });
    let piece: { from: number; bytes: Uint8Array } = { from: 0, bytes: new Uint8Array(0) };
    let step = steps.next();
    while (step.done !== true) {
      const { from, to } = step.value;
      if (from < piece.from || to > piece.from + piece.bytes.length) {
        const length = Math.max(to - from, Math.min(this.#pieceBytes, size - from));
        piece = { from, bytes: await readUpTo(file, from, length) };
      }
      step = steps.next(piece.bytes.subarray(from - piece.from, to - piece.from));
    }
    return { ...step.value, version };
  }
}

interface OpenLog extends AsyncDisposable {
  readonly file: FileHandle;
  readonly size: number;
  /** Another for each state of the log. */
  readonly version: string;
}

async function openLog(path: string): Promise<OpenLog | undefined> {
  if (!(await refuseLink(path, "a file"))) return undefined;
  const { file } = await openPlain(path);
  const dispose = (): Promise<void> => file.close();
  try {
    const { size, mtimeNs, ino } = await file.stat({ bigint: true });
    if (size > MAX_BYTES)
      throw new FormatError(
        `${path} has ${size} bytes; a log of facts has at most ${MAX_BYTES}: move it away, and nothing is remembered, or ` +
          "take a copy from before it grew",
      );
    const version = `${ino} ${mtimeNs} ${size}`;
    return { file, size: Number(size), version, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** Fewer where the file ends, as it does where its writer cuts off what was not whole. */
async function readUpTo(file: FileHandle, from: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, from + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes.subarray(0, done);
}

/** Whether something is there. What leads elsewhere was laid out by somebody else: it is neither read nor written. */
async function refuseLink(path: string, kind: "a file" | "a directory"): Promise<boolean> {
  const found = await lstat(path).catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  });
  if (found === undefined) return false;
  const isRight = kind === "a file" ? found.isFile() : found.isDirectory();
  if (!isRight)
    throw new InvalidConfigError(`${path}: expected ${kind}, which it is not; remove it`);
  return true;
}

function failure(cause: unknown, path: string): unknown {
  if (typeof (cause as NodeJS.ErrnoException).syscall !== "string") return cause;
  return new StoreError(
    `writing ${path} failed: ${(cause as Error).message}; what was taught before is kept`,
    { cause },
  );
}
