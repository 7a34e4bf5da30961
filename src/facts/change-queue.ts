/**
 * Changes that wait for a log. Those that come while it is written go to it together, next (group commit). A change is
 * planned in its turn, on what those before it have left. Knows records; not what they mean, and no file.
 */
import type { FactRecord, LogRecord } from "./log-format.ts";

/** What a change does: adds records, or makes new contents of all. `before` are facts that the same writing adds ahead of it. */
export type Plan<Contents> = (
  before: readonly FactRecord[],
) => { readonly records: readonly LogRecord[] } | { readonly contents: Contents };

/** Where changes are made. Calls do not overlap; one that rejects has changed nothing. */
export interface ChangeTarget<Contents> {
  /** Before the first change after a pause. If it rejects, all that wait are refused. */
  begin(): Promise<void>;
  append(records: readonly LogRecord[]): Promise<void>;
  replace(contents: Contents): Promise<void>;
  /** After those that waited together are answered. */
  tidy(): Promise<void>;
}

interface Change<Contents> {
  readonly plan: Plan<Contents>;
  readonly settled: PromiseWithResolvers<void>;
}

/** A change whose records are not yet appended. */
interface Planned {
  readonly records: readonly LogRecord[];
  readonly settled: PromiseWithResolvers<void>;
}

export class ChangeQueue<Contents> {
  readonly #target: ChangeTarget<Contents>;
  #waiting: Change<Contents>[] = [];
  #writing: Promise<void> | undefined;

  constructor(target: ChangeTarget<Contents>) {
    this.#target = target;
  }

  get isIdle(): boolean {
    return this.#writing === undefined;
  }

  /** Resolves when the change is made; rejects with what its plan threw, or why it could not be written. */
  add(plan: Plan<Contents>): Promise<void> {
    const settled = Promise.withResolvers<void>();
    this.#waiting.push({ plan, settled });
    this.#writing ??= this.#write();
    return settled.promise;
  }

  /** Waits for all changes. */
  async finish(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    let refused: { readonly error: unknown } | undefined;
    await this.#target.begin().catch((error: unknown) => (refused = { error }));
    while (this.#waiting.length > 0) {
      const together = this.#waiting;
      this.#waiting = [];
      if (refused === undefined) await this.#make(together);
      else for (const { settled } of together) settled.reject(refused.error);
    }
    // At once: who asks for a change from now on begins anew.
    this.#writing = undefined;
  }

  async #make(together: readonly Change<Contents>[]): Promise<void> {
    let planned: Planned[] = [];
    for (const { plan, settled } of together) {
      try {
        let change = plan(factsOf(planned));
        if ("contents" in change) {
          // It changes what those before it have added.
          await this.#append(planned);
          planned = [];
          change = plan([]);
        }
        if ("records" in change) {
          planned.push({ records: change.records, settled });
          continue;
        }
        await this.#target.replace(change.contents);
        settled.resolve();
      } catch (error) {
        settled.reject(error);
      }
    }
    await this.#append(planned);
    // Who waits for these is answered; if it fails, all is as it was.
    await this.#target.tidy().catch(() => undefined);
  }

  async #append(planned: readonly Planned[]): Promise<void> {
    if (planned.length === 0) return;
    try {
      await this.#target.append(planned.flatMap(({ records }) => records));
    } catch (error) {
      for (const { settled } of planned) settled.reject(error);
      return;
    }
    for (const { settled } of planned) settled.resolve();
  }
}

function factsOf(planned: readonly Planned[]): FactRecord[] {
  return planned.flatMap(({ records }) =>
    records.flatMap((one) => (one.kind === "fact" ? one : [])),
  );
}
