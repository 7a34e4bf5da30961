/** Which facts said tokens of an answer: from the ids of the whole text, after it was written. Knows no model. */
import { type Fact, TaughtMemory } from "../facts/index.ts";
import type { Memory } from "../memory/memory.ts";
import type { EngramReport } from "./engram-report.ts";

export interface FactSaid {
  readonly id: string;
  readonly scope: string;
  readonly source: string | null;
  readonly prompt: string;
  readonly completion: string;
  /** Tokens of the answer that are what it taught. */
  readonly tokens: number;
  /** Where the first of them is in the whole text. */
  readonly position: number;
}

/** `from` is where the answer begins in `ids`. */
export function factsSaid(
  ids: readonly number[],
  { from, memory }: { from: number; memory: Memory | undefined },
): FactSaid[] {
  if (!(memory instanceof TaughtMemory)) return [];
  const said = new Map<Fact, FactSaid>();
  for (const { fact, position, id } of memory.firings({
    ids,
    from: from - 1,
    to: ids.length - 1,
  })) {
    if (ids[position + 1] !== id) continue;
    const { prompt, completion, scope, source = null } = fact;
    const before = said.get(fact);
    const place = before?.position ?? position + 1;
    const tokens = (before?.tokens ?? 0) + 1;
    said.set(fact, { id: fact.id, scope, source, prompt, completion, tokens, position: place });
  }
  return [...said.values()];
}

/** Beside what else an answer says of the memory. */
export function factsReport(
  facts: readonly FactSaid[] | undefined,
  engram?: EngramReport,
): { readonly engram?: object } {
  if (facts === undefined) return engram === undefined ? {} : { engram };
  return { engram: { ...engram, facts } };
}
