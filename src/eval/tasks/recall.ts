/**
 * Facts with the number of training documents that state them, joined to the prompts that ask for them. So recall can
 * be measured by how often a model could have learned a fact. Knows records; not files or figures.
 */
import { FormatError, RequestError } from "../../errors.ts";
import { isRecord } from "../../json-values.ts";
import { PythonRandom } from "./python-random.ts";
import type { Fields } from "./template.ts";

export interface Fact {
  readonly relation: string;
  readonly subject: string;
  readonly object: string;
  readonly exposures: number;
}

/** Facts of one source in a support table, shuffled, so that a limit takes some of every relation. */
export function factsOf(
  rows: readonly Fields[],
  { source, exposures, file }: { source: string; exposures: string; file: string },
): Fact[] {
  const facts: Fact[] = [];
  for (const [i, row] of rows.entries()) {
    if (row["source"] !== source) continue;
    const { relation, subject, object } = row;
    const count = row[exposures];
    if (
      typeof relation !== "string" ||
      typeof subject !== "string" ||
      typeof object !== "string" ||
      typeof count !== "string" ||
      !/^\d{1,9}$/.test(count)
    )
      throw new FormatError(
        `${file}: row ${i + 1}: expected relation, subject, object, and a number under "${exposures}"`,
      );
    facts.push({ relation, subject, object, exposures: Number(count) });
  }
  if (facts.length === 0) throw new FormatError(`${file} has no fact of the source "${source}"`);
  return new PythonRandom(0).sample(facts.length, facts.length).map((i) => facts[i]!);
}

/** Fields: the fact's own, `prompt`, and `prompts` with all phrasings. Facts without a prompt are left out. */
export function askedByPattern(
  facts: readonly Fact[],
  patternsOf: ReadonlyMap<string, readonly Fields[]>,
): Fields[] {
  return facts.flatMap((fact) => {
    const prompts = (patternsOf.get(fact.relation) ?? []).flatMap(({ pattern }) => {
      // Only patterns that end with the object can be asked from left to right.
      const [, before] = /^(.*\[X\].*?) ?\[Y\]\s*[.]?\s*$/.exec(String(pattern)) ?? [];
      return before === undefined ? [] : [before.replaceAll("[X]", () => fact.subject)];
    });
    return prompts.length === 0 ? [] : [{ ...fact, prompt: prompts[0], prompts }];
  });
}

/** The same from cases that have `subject`, `prompt` and `ground_truth` of their own, as CounterFact does. */
export function askedByCase(facts: readonly Fact[], cases: readonly Fields[]): Fields[] {
  const byFact = new Map<string, Fields>();
  for (const one of cases) {
    if (!isRecord(one) || typeof one["prompt"] !== "string")
      throw new RequestError("a case without a text under prompt");
    byFact.set(`${String(one["subject"])}\t${String(one["ground_truth"])}`, one);
  }
  return facts.flatMap((fact) => {
    const asked = byFact.get(`${fact.subject}\t${fact.object}`);
    return asked === undefined ? [] : [{ ...asked, ...fact, prompts: [asked["prompt"]] }];
  });
}
