/**
 * Chooses the checkpoint from which a run is resumed: the newest undamaged one, and the reasons against newer ones.
 * Changes nothing on disk. Knows checkpoints; not a run's other files.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { checkCheckpoint, type Checkpoint } from "../../checkpoint/node/index.ts";
import { FormatError, RequestError, StoreError } from "../../errors.ts";
import { checkVersion, readState, type StateFile } from "./state-file.ts";
import {
  holdTrainingState,
  type RestoredContents,
  restoreTrainingState,
} from "./training-state.ts";

/** A checkpoint that cannot be used. */
export interface DamagedCheckpoint extends Checkpoint {
  /** File, expected and found. */
  readonly reason: string;
}

export class Resumption {
  readonly damaged: DamagedCheckpoint[] = [];
  /** Newest first: the undamaged one that was found, and older ones that were not checked. */
  #left: readonly Checkpoint[];
  #state: StateFile;
  #tokenizer: string;
  readonly #signal: AbortSignal | undefined;

  private constructor(signal: AbortSignal | undefined, found: Candidate) {
    this.#signal = signal;
    this.#left = [];
    this.#state = found.state;
    this.#tokenizer = found.tokenizer;
  }

  /**
   * Finds the newest undamaged one of `checkpoints`, which are given oldest first; undefined if there are none. Reads
   * every byte of those that it checks. Throws `FormatError` if all are damaged, or the one found is from another
   * release.
   */
  static async find(
    checkpoints: readonly Checkpoint[],
    { signal }: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Resumption | undefined> {
    const left = checkpoints.toReversed();
    const damaged: DamagedCheckpoint[] = [];
    for (const [i, checkpoint] of left.entries()) {
      const found = await unlessDamaged(checkpoint, damaged, () => read(checkpoint, signal));
      if (found === undefined) continue;
      checkVersion(checkpoint.path, found.state);
      const resumption = new Resumption(signal, found);
      resumption.#left = left.slice(i);
      resumption.damaged.push(...damaged);
      return resumption;
    }
    if (damaged.length > 0) throw noneWhole(damaged);
    return undefined;
  }

  get checkpoint(): Checkpoint {
    return this.#left[0]!;
  }

  get state(): StateFile {
    return this.#state;
  }

  /** The text of the checkpoint's tokenizer.json. */
  get tokenizer(): string {
    return this.#tokenizer;
  }

  /**
   * Fills arrays and tables from the checkpoint, or from an older one if a table's log lacks records of the newer
   * one. Keeps the records of remaining checkpoints. Throws as `find` and `restoreTrainingState` do.
   */
  async restore(contents: RestoredContents): Promise<void> {
    for (;;) {
      const { checkpoint } = this;
      const restored = await unlessDamaged(checkpoint, this.damaged, async () => {
        await restoreTrainingState(checkpoint, contents);
        return true;
      });
      if (restored) break;
      const next = await Resumption.find(this.#left.slice(1).toReversed(), {
        signal: this.#signal,
      }).catch((error: unknown) => {
        throw error instanceof NoneWhole ? noneWhole([...this.damaged, ...error.damaged]) : error;
      });
      if (next === undefined) throw noneWhole(this.damaged);
      this.damaged.push(...next.damaged);
      this.#left = next.#left;
      this.#state = next.#state;
      this.#tokenizer = next.#tokenizer;
    }
    // Only tables out of core share data with older checkpoints.
    if (this.#state.logs === undefined) return;
    for (const older of this.#left.slice(1))
      await unlessDamaged(older, this.damaged, async () => {
        await checkCheckpoint(older, { signal: this.#signal });
        await holdTrainingState(older, contents.tables);
      });
  }
}

interface Candidate {
  readonly state: StateFile;
  readonly tokenizer: string;
}

async function read(checkpoint: Checkpoint, signal: AbortSignal | undefined): Promise<Candidate> {
  const { path } = checkpoint;
  await checkCheckpoint(checkpoint, { signal });
  const state = await readState(path);
  const file = join(path, "tokenizer.json");
  const tokenizer = await readFile(file, "utf8");
  try {
    JSON.parse(tokenizer);
  } catch (cause) {
    throw new FormatError(`${file} is not JSON: ${(cause as Error).message}`, { cause });
  }
  return { state, tokenizer };
}

/** The result of `use`; undefined if it fails because of damage, whose reason is kept. */
async function unlessDamaged<T>(
  checkpoint: Checkpoint,
  damaged: DamagedCheckpoint[],
  use: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await use();
  } catch (error) {
    const isDamage = [FormatError, StoreError, RequestError].some((kind) => error instanceof kind);
    if (!isDamage && (error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    damaged.push({ ...checkpoint, reason: (error as Error).message });
    return undefined;
  }
}

class NoneWhole extends FormatError {
  readonly damaged: readonly DamagedCheckpoint[];

  constructor(damaged: readonly DamagedCheckpoint[]) {
    super(
      `no checkpoint is whole, so there is nothing to go on from, and nothing was changed: ` +
        `${damaged.map(({ reason }) => reason).join("; ")}. Put a copy in its place, or train into another --out`,
    );
    this.damaged = damaged;
  }
}

function noneWhole(damaged: readonly DamagedCheckpoint[]): FormatError {
  return new NoneWhole(damaged);
}
