/** Where changes of facts are kept: what a store needs of a log, whatever it is made of. */
import { EngramError } from "../errors.ts";
import type { LogRecord } from "./log-format.ts";

/** What a log has that its reader has not seen. */
export interface News {
  readonly records: readonly LogRecord[];
  /** In place of everything before; else behind it. */
  readonly isAll: boolean;
}

/** Calls do not overlap. */
export interface FactLog {
  /** For messages. */
  readonly name: string;
  /**
   * Called before changes are planned. Keeps other writers out until `close`, or resolves to what they have written
   * since the last call, or since all was read; undefined: nothing.
   */
  begin(): Promise<News | undefined>;
  /** Resolves to what others have written, as `begin` does, and keeps nobody out. */
  look(): Promise<News | undefined>;
  /**
   * Adds records. Resolves when a crash of the machine cannot take them back; rejects with nothing added, with
   * `SupersededError` where another writer has written since `begin`.
   */
  append(records: readonly Uint8Array[]): Promise<void>;
  /** Becomes these records and nothing else, or stays as it was; rejects as `append` does. */
  replace(records: readonly Uint8Array[]): Promise<void>;
  /**
   * Calls `onNews` soon after another writer has written, and not again before it resolves.
   */
  watch(onNews: () => Promise<void>): void;
  close(): Promise<void>;
}

/** Another writer was faster. Seen by no caller: a change is planned again on what the other has left. */
export class SupersededError extends EngramError {
  constructor(name: string) {
    super("superseded", `${name} was changed by another writer`);
  }
}
