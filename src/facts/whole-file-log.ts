/**
 * The facts' log in a file that is replaced whole at each change: where a page keeps what it was taught. Several pages may
 * write; each change is made on what the others have left. Knows bytes; not where the file is.
 */
import { joinedBytes, sameBytes } from "../bytes/index.ts";
import { FormatError, StoreError } from "../errors.ts";
import { type FactLog, type News, SupersededError } from "./fact-log.ts";
import {
  encodeCommits,
  encodeHeader,
  type LogRecord,
  type LogVocabulary,
  parseLog,
} from "./log-format.ts";

/** Where the log is. */
export interface LogFile {
  /** For messages. */
  readonly name: string;
  /** Undefined where there is none. Throws `FormatError` where it has more than `most` bytes. */
  read(most: number): Promise<Uint8Array | undefined>;
  /** Takes the place of what is there when it is written; leaves that as it is where it fails. */
  write(content: Uint8Array): Promise<void>;
  /** While `work` runs nobody else's does. */
  alone(work: () => Promise<void>): Promise<void>;
  /** Calls `onChange` when somebody else has written, until `close`. */
  watch(onChange: () => void): void;
  close(): void;
}

/** Each change writes all of it. */
const MAX_BYTES = 2 ** 26;

export class WholeFileLog implements FactLog {
  readonly name: string;
  readonly #file: LogFile;
  readonly #vocabulary: LogVocabulary;
  /** As it was read or written last. */
  #content: Uint8Array | undefined;

  /** `vocabulary`: whose ids the facts are written in. Reads nothing yet. */
  constructor(file: LogFile, vocabulary: LogVocabulary) {
    this.name = file.name;
    this.#file = file;
    this.#vocabulary = vocabulary;
  }

  /** All records; none where there is no log. Throws `FormatError` for a damaged one, or another vocabulary's. */
  async read(): Promise<readonly LogRecord[]> {
    this.#content = await this.#file.read(MAX_BYTES);
    return this.#recordsIn(this.#content);
  }

  begin(): Promise<News | undefined> {
    return this.look();
  }

  async look(): Promise<News | undefined> {
    const found = await this.#file.read(MAX_BYTES);
    if (isSame(found, this.#content)) return undefined;
    const records = this.#recordsIn(found);
    this.#content = found;
    return { records, isAll: true };
  }

  append(records: readonly Uint8Array[]): Promise<void> {
    return this.#write(() => {
      const before = this.#content ?? encodeHeader(this.#vocabulary.fingerprint);
      return [before, encodeCommits(records)];
    });
  }

  replace(records: readonly Uint8Array[]): Promise<void> {
    return this.#write(() => [encodeHeader(this.#vocabulary.fingerprint), encodeCommits(records)]);
  }

  watch(onNews: () => Promise<void>): void {
    // One look at a time, and one more for whatever comes during it.
    let last: Promise<void> = Promise.resolve();
    let isNext = false;
    this.#file.watch(() => {
      if (isNext) return;
      isNext = true;
      last = last.then(() => {
        isNext = false;
        return onNews();
      });
    });
  }

  async close(): Promise<void> {
    this.#file.close();
  }

  async #write(parts: () => readonly Uint8Array[]): Promise<void> {
    await this.#file.alone(async () => {
      if (!isSame(await this.#file.read(MAX_BYTES), this.#content))
        throw new SupersededError(this.name);
      const whole = joinedBytes(parts());
      if (whole.length > MAX_BYTES)
        throw new StoreError(
          `${this.name} would have ${whole.length} bytes, and may have ${MAX_BYTES}; erase something first`,
        );
      try {
        await this.#file.write(whole);
      } catch (cause) {
        throw new StoreError(
          `writing ${this.name} failed: ${(cause as Error).message}; what was taught before is kept`,
          { cause },
        );
      }
      this.#content = whole;
    });
  }

  #recordsIn(content: Uint8Array | undefined): readonly LogRecord[] {
    if (content === undefined) return [];
    const parsed = parseLog(content, { where: this.name, vocabulary: this.#vocabulary });
    // Its writers leave nothing unfinished.
    if (parsed.end !== content.length)
      throw new FormatError(`${this.name}: its end is missing; the file is damaged`);
    return parsed.records;
  }
}

function isSame(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  return one === undefined || other === undefined ? one === other : sameBytes(one, other);
}
