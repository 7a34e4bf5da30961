/**
 * Which facts said tokens of an answer, and which keys of facts a text has: from the ids of the whole text, after it was
 * written. Knows no model.
 */
import { type Fact, TaughtMemory } from "../facts/index.ts";
import type { Memory } from "../memory/memory.ts";
import type { EngramReport } from "./engram-report.ts";
import type { EngramOptions } from "./protocol.ts";

interface FactSaid {
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
function factsSaid(
  ids: readonly number[],
  { from, memory }: { from: number; memory: Memory | undefined },
): FactSaid[] {
  if (!(memory instanceof TaughtMemory)) return [];
  const said = new Map<Fact, FactSaid>();
  for (const firing of memory.firings({ ids, from: from - 1, to: ids.length - 1 })) {
    const { fact, position } = firing;
    if (firing.kind !== "wording" || ids[position + 1] !== firing.id) continue;
    const { prompt, completion, scope, source = null } = fact;
    const before = said.get(fact);
    const place = before?.position ?? position + 1;
    const tokens = (before?.tokens ?? 0) + 1;
    said.set(fact, { id: fact.id, scope, source, prompt, completion, tokens, position: place });
  }
  return [...said.values()];
}

/** A key of a fact that a text has. */
interface KeyFound {
  readonly id: string;
  readonly scope: string;
  /** Of the fact's words: the next token is what was taught. Of its subject: a vector is added before a layer. */
  readonly kind: "wording" | "subject";
  /** Of its last token, in the whole text. */
  readonly position: number;
  /** In tokens. */
  readonly length: number;
  /** Of a subject's key. */
  readonly layer?: number;
}

/** All keys in a text, the prompt included, as the request sees them. */
function keysIn(ids: readonly number[], memory: Memory | undefined): KeyFound[] {
  if (!(memory instanceof TaughtMemory)) return [];
  return Array.from(memory.firings({ ids, from: 0, to: ids.length }), (firing) => {
    const { fact, kind, position, length } = firing;
    const layer = firing.kind === "subject" && { layer: firing.layerId };
    return { id: fact.id, scope: fact.scope, kind, position, length, ...layer };
  });
}

/** What an answer says of facts, as far as it was asked for. */
export interface FactsTold {
  readonly facts?: readonly FactSaid[];
  readonly keys?: readonly KeyFound[];
}

export function factsTold(
  options: EngramOptions | null | undefined,
  ids: readonly number[],
  { from, memory }: { from: number; memory: Memory | undefined },
): FactsTold {
  return {
    ...(options?.return.includes("facts") && { facts: factsSaid(ids, { from, memory }) }),
    ...(options?.return.includes("keys") && { keys: keysIn(ids, memory) }),
  };
}

/** Beside what else an answer says of the memory. */
export function factsReport(told: FactsTold, engram?: EngramReport): { readonly engram?: object } {
  const all = { ...engram, ...told };
  return Object.keys(all).length === 0 ? {} : { engram: all };
}
