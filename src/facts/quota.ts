/** How much a scope may hold. Knows facts and the length of their records; no log. */
import { RequestError } from "../errors.ts";
import type { FactToAdd } from "./fact-store.ts";
import { encodeRecord } from "./log-format.ts";

/** What a scope may hold. */
export interface Quota {
  readonly maxFacts?: number | undefined;
  /** In the log. */
  readonly maxBytes?: number | undefined;
}

/** Throws `RequestError` where a scope would hold too much with these facts beside those that it has. */
export function checkQuota(
  added: readonly FactToAdd[],
  { live, quota: { maxFacts, maxBytes } }: { live: Iterable<FactToAdd>; quota: Quota },
): void {
  if (maxFacts === undefined && maxBytes === undefined) return;
  const all = [...live, ...added];
  for (const scope of new Set(added.map(({ fact }) => fact.scope))) {
    const kept = new Map<string, FactToAdd>();
    for (const one of all) if (one.fact.scope === scope) kept.set(one.fact.id, one);
    if (kept.size > (maxFacts ?? Infinity))
      throw new RequestError(
        `scope ${scope} may hold ${maxFacts} facts, and would have ${kept.size}; forget some`,
      );
    if (maxBytes === undefined) continue;
    const bytes = [...kept.values()].reduce((sum, one) => sum + bytesOf(one), 0);
    if (bytes > maxBytes)
      throw new RequestError(
        `scope ${scope} may hold ${maxBytes} bytes of facts, and would have ${bytes}; forget some`,
      );
  }
}

/** How long the record of a fact is. */
function bytesOf({ fact, edits, subject }: FactToAdd): number {
  return encodeRecord({ kind: "fact", number: 1, fact, edits, subject }).length;
}
