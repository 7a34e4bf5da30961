/** How much a scope may hold. Knows facts and the length of their records; no log. */
import { RequestError } from "../errors.ts";
import type { FactToAdd } from "./contents.ts";
import { encodeRecord, type TextRecord } from "./log-format.ts";
import type { LearnedTexts } from "./learned-texts.ts";

/** What a scope may hold. */
export interface Quota {
  readonly maxFacts?: number | undefined;
  /** In the log. */
  readonly maxBytes?: number | undefined;
}

/** Throws `RequestError` where a scope would hold too much with these facts, and a text, beside those that it has. */
export function checkQuota(
  facts: readonly FactToAdd[],
  {
    live,
    quota: { maxFacts, maxBytes },
    texts,
    added,
  }: {
    live: Iterable<FactToAdd>;
    quota: Quota;
    texts: LearnedTexts;
    added?: TextRecord | undefined;
  },
): void {
  if (maxFacts === undefined && maxBytes === undefined) return;
  const all = [...live, ...facts];
  const scopes = facts.map(({ fact }) => fact.scope);
  if (added !== undefined) scopes.push(added.scope);
  for (const scope of new Set(scopes)) {
    const kept = new Map<string, FactToAdd>();
    for (const one of all) if (one.fact.scope === scope) kept.set(one.fact.id, one);
    if (kept.size > (maxFacts ?? Infinity))
      throw new RequestError(
        `scope ${scope} may hold ${maxFacts} facts, and would have ${kept.size}; forget some`,
      );
    if (maxBytes === undefined) continue;
    const ofTexts =
      texts.bytesOf(scope) + (added?.scope === scope ? encodeRecord(added).length : 0);
    const bytes = [...kept.values()].reduce((sum, one) => sum + bytesOf(one), ofTexts);
    if (bytes > maxBytes)
      throw new RequestError(
        `scope ${scope} may hold ${maxBytes} bytes of facts and texts, and would have ${bytes}; forget some`,
      );
  }
}

/** How long the record of a fact is. */
function bytesOf({ fact, edits, subject }: FactToAdd): number {
  return encodeRecord({ kind: "fact", number: 1, fact, edits, subject }).length;
}
