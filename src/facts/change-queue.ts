/**
 * Changes that wait for a log. Those that come while it is written go to it together, next (group commit). A change is
 * planned in its turn, on what those before it have left; where another writer was faster, it is planned again. Knows
 * records; not what they mean, and no file.
 */
import { SupersededError } from "./fact-log.ts";
import type { FactRecord, LogRecord, TextRecord } from "./log-format.ts";

/** What the same writing adds ahead of a change. */
export interface Ahead {
  readonly facts: readonly FactRecord[];
  readonly texts: readonly TextRecord[];
}

/** What a change does: adds records, or makes new contents of all. */
export type Plan<Contents> = (
  ahead: Ahead,
) => { readonly records: readonly LogRecord[] } | { readonly contents: Contents };

/**
 * Where changes are made. Calls do not overlap; one that rejects has changed nothing. `SupersededError`: another writer
 * has changed it since `begin`.
 */
export interface ChangeTarget<Contents> {
  /** Before changes are planned: sees what other writers have done. If it rejects, all that wait are refused. */
  begin(): Promise<void>;
  /** Sees that, and no more. */
  look(): Promise<void>;
  append(records: readonly LogRecord[]): Promise<void>;
  replace(contents: Contents): Promise<void>;
  /** After those that waited together are answered. */
  tidy(): Promise<void>;
}

interface Change<Contents> {
  readonly plan: Plan<Contents>;
  readonly settled: PromiseWithResolvers<void>;
  /** Its plan may be to change nothing, for which no other writer need be kept out. */
  readonly mayBeNothing: boolean;
}

/** A change whose records are not yet appended. */
interface Planned<Contents> {
  readonly records: readonly LogRecord[];
  readonly change: Change<Contents>;
}

export class ChangeQueue<Contents> {
  readonly #target: ChangeTarget<Contents>;
  #waiting: Change<Contents>[] = [];
  #writing: Promise<void> | undefined;

  constructor(target: ChangeTarget<Contents>) {
    this.#target = target;
  }

  /** Resolves when the change is made; rejects with what its plan threw, or why it could not be written. */
  add(plan: Plan<Contents>): Promise<void> {
    return this.#enqueue(plan, { mayBeNothing: false });
  }

  /**
   * The same for a change that may turn out to be none, whose plan does nothing else than say so: it sees what other
   * writers have done, and keeps them out only if there is something to change.
   */
  addIfAny(plan: Plan<Contents>): Promise<void> {
    return this.#enqueue(plan, { mayBeNothing: true });
  }

  #enqueue(plan: Plan<Contents>, { mayBeNothing }: { mayBeNothing: boolean }): Promise<void> {
    const settled = Promise.withResolvers<void>();
    this.#waiting.push({ plan, settled, mayBeNothing });
    this.#writing ??= this.#write();
    return settled.promise;
  }

  /** Waits for all changes. */
  async finish(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      let together = this.#waiting;
      this.#waiting = [];
      try {
        if (await this.#areNothing(together)) {
          for (const { settled } of together) settled.resolve();
          continue;
        }
        // Somebody else's change is progress, too: this ends.
        while (together.length > 0) {
          await this.#target.begin();
          together = await this.#make(together);
        }
      } catch (error) {
        for (const { settled } of together) settled.reject(error);
        continue;
      }
      // Who waits for these is answered; if it fails, all is as it was.
      await this.#target.tidy().catch(() => undefined);
    }
    // At once: who asks for a change from now on begins anew.
    this.#writing = undefined;
  }

  async #areNothing(together: readonly Change<Contents>[]): Promise<boolean> {
    if (!together.every(({ mayBeNothing }) => mayBeNothing)) return false;
    await this.#target.look();
    return together.every(({ plan }) => {
      const planned = plan({ facts: [], texts: [] });
      return "records" in planned && planned.records.length === 0;
    });
  }

  /** Resolves to those that another writer was faster than. */
  async #make(together: readonly Change<Contents>[]): Promise<Change<Contents>[]> {
    let planned: Planned<Contents>[] = [];
    const ahead = { facts: [] as FactRecord[], texts: [] as TextRecord[] };
    for (const [i, change] of together.entries()) {
      try {
        let plan = change.plan(ahead);
        // It changes what those before it have added, or would if that were there.
        if (planned.length > 0 && ("contents" in plan || change.mayBeNothing)) {
          const late = await this.#append(planned);
          if (late.length > 0) return [...late, ...together.slice(i)];
          planned = [];
          ahead.facts.length = ahead.texts.length = 0;
          plan = change.plan(ahead);
        }
        if ("records" in plan) {
          planned.push({ records: plan.records, change });
          for (const one of plan.records)
            if (one.kind === "fact") ahead.facts.push(one);
            else if (one.kind === "text") ahead.texts.push(one);
          continue;
        }
        await this.#target.replace(plan.contents);
        change.settled.resolve();
      } catch (error) {
        if (error instanceof SupersededError) return together.slice(i);
        change.settled.reject(error);
      }
    }
    return this.#append(planned);
  }

  async #append(planned: readonly Planned<Contents>[]): Promise<Change<Contents>[]> {
    if (planned.length === 0) return [];
    const changes = planned.map(({ change }) => change);
    try {
      await this.#target.append(planned.flatMap(({ records }) => records));
    } catch (error) {
      if (error instanceof SupersededError) return changes;
      for (const { settled } of changes) settled.reject(error);
      return [];
    }
    for (const { settled } of changes) settled.resolve();
    return [];
  }
}
