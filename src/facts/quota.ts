/** How much a scope may hold. Knows facts and the length of their records; no log. */
import { RequestError } from "../errors.ts";
import { encodedOf, type FactToAdd } from "./contents.ts";
import { encodeRecord, type TextRecord } from "./log-format.ts";
import type { LearnedTexts } from "./learned-texts.ts";

/** What a scope may hold. */
export interface Quota {
  readonly maxFacts?: number | undefined;
  /** In the log. */
  readonly maxBytes?: number | undefined;
}

/** Throws `RequestError` where a scope would hold too much with what is added beside what it has. */
export function checkQuota(
  scope: string,
  {
    added,
    live,
    texts,
    quota: { maxFacts, maxBytes },
  }: {
    added: { readonly facts: readonly FactToAdd[]; readonly texts: readonly TextRecord[] };
    live: Iterable<FactToAdd>;
    texts: LearnedTexts;
    quota: Quota;
  },
): void {
  if (maxFacts === undefined && maxBytes === undefined) return;
  const kept = new Map<string, FactToAdd>();
  for (const all of [live, added.facts])
    for (const one of all) if (one.fact.scope === scope) kept.set(one.fact.id, one);
  if (kept.size > (maxFacts ?? Infinity))
    throw new RequestError(
      `scope ${scope} may hold ${maxFacts} facts, and would have ${kept.size}; forget some`,
    );
  if (maxBytes === undefined) return;
  let bytes = texts.bytesOf(scope);
  for (const one of added.texts) if (one.scope === scope) bytes += encodedOf(one).length;
  for (const one of kept.values()) bytes += bytesOf(one);
  if (bytes > maxBytes)
    throw new RequestError(
      `scope ${scope} may hold ${maxBytes} bytes of facts and texts, and would have ${bytes}; forget some`,
    );
}

/** How long the record of a fact is. */
function bytesOf({ fact, edits, subject }: FactToAdd): number {
  return encodeRecord({ kind: "fact", number: 1, fact, edits, subject }).length;
}
