/**
 * Does a model with a memory recall what its text states better than one trained without? Paired by question, by how many
 * articles state the fact. Facts that none states are the control, since a wording alone tells something, too; they are
 * taken from the same relations in the same shares.
 *
 *   engram eval WITH --tasks pararel --data DATA --limit 3000 --log-samples with
 *   engram eval WITHOUT --tasks pararel --data DATA --limit 3000 --log-samples without
 *   node bench/recall-by-exposure.ts with without
 *
 * No timing. Prints, in nats an answer: what each model gives, the difference, and how much larger it is than the
 * control's, with standard errors over questions.
 */
import { needed, readWords } from "./setup/command-line.ts";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { InvalidConfigError } from "../src/errors.ts";

interface Sample {
  readonly doc: { readonly relation: string; readonly subject: string; readonly object: string };
  readonly log_likelihood: number;
}

/** Of one relation: the differences of its questions. */
type ByRelation = Map<string, number[]>;

const { with: withFolder, without: withoutFolder } = readWords({ with: needed, without: needed });
const [on, off] = [samplesIn(withFolder), samplesIn(withoutFolder)];
const groups = [...on.keys()].toSorted((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
const control = differencesOf("0");
console.log(
  "stated in  questions     with  without  difference        over the control, same relations",
);
for (const group of groups) {
  const relations = differencesOf(group);
  const all = [...relations.values()].flat();
  const { mean, error } = meanOf(all);
  const own = (samples: ReadonlyMap<string, readonly Sample[]>): string =>
    meanOf(samples.get(group)!.map((one) => one.log_likelihood)).mean.toFixed(3);
  const over = group === "0" ? "" : signed(overControl(relations));
  console.log(
    `${group.padEnd(9)}${String(all.length).padStart(11)}${own(on).padStart(9)}${own(off).padStart(9)}  ` +
      `${signed({ mean, error }).padEnd(18)}${over}`,
  );
}

function samplesIn(folder: string): Map<string, Sample[]> {
  const found = new Map<string, Sample[]>();
  const names = readdirSync(folder);
  // A model without a memory has no answers with it on.
  const kind = names.some((name) => name.endsWith("_memory-on.jsonl")) ? "on" : "off";
  for (const name of names) {
    const [, group] = new RegExp(`_(\\d[\\d+-]*)_memory-${kind}\\.jsonl$`).exec(name) ?? [];
    if (group === undefined) continue;
    const lines = readFileSync(join(folder, name), "utf8").trim().split("\n");
    found.set(
      group,
      lines.map((line) => JSON.parse(line) as Sample),
    );
  }
  if (!found.has("0"))
    throw new InvalidConfigError(`${folder}: expected answers to facts that are never stated`);
  return found;
}

function differencesOf(group: string): ByRelation {
  const relations: ByRelation = new Map();
  const [ours, theirs] = [on.get(group)!, off.get(group) ?? []];
  for (const [i, { doc, log_likelihood }] of ours.entries()) {
    const other = theirs[i];
    if (other?.doc.subject !== doc.subject || other.doc.object !== doc.object)
      throw new InvalidConfigError(`question ${i} of those stated ${group} times is another one`);
    const list = relations.get(doc.relation) ?? [];
    list.push(log_likelihood - other.log_likelihood);
    relations.set(doc.relation, list);
  }
  return relations;
}

/** Relations of which either side has less than two questions say nothing. */
function overControl(relations: ByRelation): { mean: number; error: number } {
  const both = [...relations].filter(
    ([relation, list]) => list.length > 1 && (control.get(relation)?.length ?? 0) > 1,
  );
  const total = both.reduce((n, [, list]) => n + list.length, 0);
  let [mean, variance] = [0, 0];
  for (const [relation, list] of both) {
    const [here, there] = [meanOf(list), meanOf(control.get(relation)!)];
    const weight = list.length / total;
    mean += weight * (here.mean - there.mean);
    variance += weight ** 2 * (here.error ** 2 + there.error ** 2);
  }
  return { mean, error: Math.sqrt(variance) };
}

function meanOf(values: readonly number[]): { mean: number; error: number } {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const squares = values.reduce((sum, x) => sum + (x - mean) ** 2, 0);
  return { mean, error: Math.sqrt(squares / (values.length - 1) / values.length) };
}

function signed({ mean, error }: { mean: number; error: number }): string {
  return `${mean < 0 ? "" : "+"}${mean.toFixed(3)} ± ${error.toFixed(3)}`;
}
