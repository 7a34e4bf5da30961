/**
 * Which facts an answer has something of, how likely the model held what it says of them, and which keys of facts a text
 * has, and which documents: from the ids of the whole text, after it was written. Knows no model.
 */
import { type Fact, KNOWN, knownGround, TaughtMemory } from "../facts/index.ts";
import type { Memory } from "../memory/index.ts";
import { sourcesSaid } from "../sources-said.ts";
import type { Tokenizer } from "../tokenizer/index.ts";
import { type FactsTold, wantsFacts } from "./facts-told.ts";
import type { EngramOptions } from "./protocol.ts";

export interface FactSaid {
  readonly id: string;
  readonly scope: string;
  readonly source: string | null;
  readonly prompt: string;
  readonly completion: string;
  /** What of it is in the text: its words, or only its subject, whose vector was read. */
  readonly by: "wording" | "subject";
  /** Tokens of the answer that are what it taught. */
  readonly tokens: number;
  /** Where the first of them is in the whole text; null where none is. */
  readonly position: number | null;
  /** That the model gave, with what it was taught, to those tokens; null where the answer says something else. */
  readonly chance: number | null;
  /** How likely this answer is what was taught for what was asked (`KNOWN`); 0 where it says something else. */
  readonly known: number;
}

/** An answer as it was written. */
export interface Said {
  /** Of the whole text; the answer begins at `from`. */
  readonly ids: readonly number[];
  readonly from: number;
  /** Log-probabilities of the answer's tokens; none where facts were not asked for. */
  readonly logProbs: readonly number[];
  /** What the text read. */
  readonly memory: Memory | undefined;
  readonly tokenizer: Pick<Tokenizer, "decode">;
  /** All that is known of a scope. */
  readonly factsOf: (scope: string) => readonly Fact[];
}

function factsSaid({ ids, from, memory, ...answer }: Said): FactSaid[] {
  if (!(memory instanceof TaughtMemory)) return [];
  const said = new Map<string, FactSaid>();
  const named = new Map<string, { scope: string; id: string }>();
  const keyOf = (one: { scope: string; id: string }): string => JSON.stringify([one.scope, one.id]);
  /** Of what begins at index `at` of the whole text. */
  const knownAt = (at: number, fact: Fact, by: FactSaid["by"]): number =>
    KNOWN[knownGround(fact, { by, text: answer.tokenizer.decode(ids.slice(0, at)) })];
  for (const firing of memory.firings({ ids, from: 0, to: ids.length - 1 })) {
    const { fact, position } = firing;
    const { scope } = fact;
    if (firing.kind === "subject")
      for (const other of firing.factIds)
        named.set(keyOf({ scope, id: other }), { scope, id: other });
    if (firing.kind === "subject" || position < from - 1) continue;
    const before = said.get(keyOf(fact));
    const isSaid = ids[position + 1] === firing.id;
    if (!isSaid && before === undefined) continue;
    const { chance: soFar = 1 } = before ?? {};
    const nats = answer.logProbs[position + 1 - from]!;
    const chance = isSaid && soFar !== null ? soFar * Math.exp(nats) : null;
    const at = before?.position ?? position + 1;
    said.set(keyOf(fact), {
      ...textOf(fact),
      by: "wording",
      tokens: (before?.tokens ?? 0) + Number(isSaid),
      position: at,
      chance,
      known: chance === null ? 0 : (before?.known ?? knownAt(at, fact, "wording")),
    });
  }
  for (const [key, { scope, id }] of named) {
    const fact = said.has(key) ? undefined : answer.factsOf(scope).find((one) => one.id === id);
    if (fact === undefined) continue;
    const tokens = tokensOf(fact.completion, { ...answer, ids: ids.slice(from) });
    const nats = answer.logProbs.slice(0, tokens).reduce((sum, one) => sum + one, 0);
    const isSaid = tokens > 0;
    said.set(key, {
      ...textOf(fact),
      by: "subject",
      tokens,
      position: isSaid ? from : null,
      chance: isSaid ? Math.exp(nats) : null,
      known: isSaid ? knownAt(from, fact, "subject") : 0,
    });
  }
  return [...said.values()];
}

function textOf({ id, scope, source, prompt, completion }: Fact) {
  return { id, scope, source: source ?? null, prompt, completion };
}

/** How many tokens of an answer say a completion; 0 where the answer begins otherwise. */
function tokensOf(
  completion: string,
  { ids, tokenizer }: Pick<Said, "tokenizer"> & { ids: readonly number[] },
): number {
  const wanted = completion.trim();
  if (!tokenizer.decode(ids).trimStart().startsWith(wanted)) return 0;
  let count = 1;
  while (tokenizer.decode(ids.slice(0, count)).trimStart().length < wanted.length) count++;
  return count;
}

/** A key of a fact that a text has. */
export interface KeyFound {
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

export function factsTold(options: EngramOptions, said: Said): FactsTold {
  return {
    ...(wantsFacts(options) && { facts: factsSaid(said) }),
    ...(options.return.includes("keys") && { keys: keysIn(said.ids, said.memory) }),
    ...(options.return.includes("sources") && { sources: sourcesSaid(said) }),
  };
}
