/**
 * What a log of facts must hold after its writer was killed: told by what the writer said it was about to do ("begin ID
 * VALUE", "forget ID") and what was acknowledged ("done ID VALUE", "forgotten ID"), in the order in which it said so. Knows
 * ids and texts; no processes and no files.
 */

/** Completions are long, of one letter, and say which they are. */
export function completionOf(n: number): string {
  return `<${n}>${"x".repeat((n * 37) % 3000)}`;
}

/** What was found in a log. */
export interface Held {
  /** Completions by id. */
  readonly facts: ReadonlyMap<string, string>;
  /** Bytes of the log, one character each: its whole commits, and behind them what its writer did not live to finish. */
  readonly bytes: string;
  readonly torn: string;
}

export class KillLedger {
  /** By id: its value, and those that it was asked to have since, not yet acknowledged; undefined for absent. */
  readonly #may = new Map<string, (string | undefined)[]>();
  /** The value of the next change. */
  next = 0;
  /** Acknowledged. */
  changes = 0;
  /** Facts that might have been one or another when their writer was killed. */
  undecided = 0;

  /** Of one writer, until it was killed: the last line may be cut off. Throws where a change is acknowledged out of turn. */
  hear(said: string): void {
    for (const line of said.split("\n").slice(0, -1)) {
      const [word, id, n] = line.split(" ") as [string, string, string | undefined];
      const values = this.#may.get(id) ?? [undefined];
      if (word === "begin" || word === "forget") this.#may.set(id, [...values, n]);
      else if (word === "done" || word === "forgotten") {
        this.changes++;
        if (values.length < 2 || values[1] !== n) throw new Error(`${line} was not its turn`);
        this.#may.set(id, values.slice(1));
      }
      if (n !== undefined) this.next = Math.max(this.next, Number(n) + 1);
    }
  }

  /** Throws where something that was acknowledged is not there, or something that never was asked for, or a part of a fact. */
  check({ facts, bytes, torn }: Held): void {
    for (const id of facts.keys())
      if (!this.#may.has(id)) throw new Error(`${id} is there, and nobody asked for it`);
    for (const [id, values] of this.#may) {
      const completion = facts.get(id);
      const n = completion === undefined ? undefined : (/^<(\d+)>/.exec(completion)?.[1] ?? "?");
      if (!values.includes(n))
        throw new Error(
          `${id} is ${n ?? "absent"}, of ${values.map((one) => one ?? "absent").join(", ")}`,
        );
      if (n !== undefined && completion !== completionOf(Number(n)))
        throw new Error(`${id} is not whole`);
      const mark = `"id":"${id}"`;
      // An add that was under way leaves its beginning, until somebody writes; what was forgotten leaves nothing.
      const mayBeTorn = values.slice(1).some((one) => one !== undefined);
      if (n === undefined && (bytes.includes(mark) || (!mayBeTorn && torn.includes(mark))))
        throw new Error(`${id} was forgotten, and is in the file`);
      if (values.length > 1) this.undecided++;
      this.#may.set(id, [n]);
    }
  }
}
