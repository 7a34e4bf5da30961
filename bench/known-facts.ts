/**
 * How well an answer knows "I was taught this": a model that was taught is asked what it was taught and what it was not, and
 * the number that the server gives with an answer (`known`) is judged.
 *
 *   node bench/known-facts.ts --model DIR|FILE.gguf --data counterfact-val.json --memory DIR --out QUESTIONS.jsonl
 *       [--facts 200] [--minutes 20] [--threads 1] [--svg FILE.svg]
 *
 * CounterFact's edits, taught with their subjects and kept in DIR, 20 together, each then asked as `setup/fact-questions.ts`
 * says. OUT keeps a line for each question; a run that ended goes on where it was, and ends after so many minutes (0: with
 * what OUT has). An answer that is drawn says what was taught with the chance that the model gives it: so each question
 * counts with that chance, and nothing is drawn. Where no key fires, there is no number, and the model is not run.
 *
 * What `src/facts/known.ts` has is counted on facts of even number and judged on those of odd number. Each class of questions
 * counts alike. Intervals: 1,000 draws of facts, 95 %.
 */
import { needed, readOptions } from "./setup/command-line.ts";
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { KNOWN, type KnownGround, knownGround, TaughtMemory } from "../src/facts/index.ts";
import { logProbsOf, type Session } from "../src/inference/index.ts";
import { loadModel, type Model, ortBackend } from "../src/index.ts";
import { Random } from "../src/numerics/index.ts";
import {
  brierScore,
  type Judged,
  reliability,
  reliabilitySvg,
  shareTrue,
} from "./setup/calibration.ts";
import { readCounterFact } from "./setup/counterfact.ts";
import {
  distinctEdits,
  isMeant,
  questionsAbout,
  type QuestionClass,
} from "./setup/fact-questions.ts";

const values = readOptions({
  model: needed,
  data: needed,
  memory: needed,
  out: needed,
  svg: undefined,
  facts: 200,
  minutes: 20,
  threads: 1,
});
const deadline = performance.now() + values.minutes * 60_000;
const isLate = (): boolean => performance.now() > deadline;
const edits = distinctEdits(readCounterFact(values.data));
const questionsOf = questionsAbout(edits, { untaughtFrom: values.facts });

interface Line {
  readonly fact: number;
  readonly asked: QuestionClass;
  readonly text: string;
  /** What of the fact fired; "another" where only another fact's key did. */
  readonly by: "wording" | "subject" | "another" | "nothing";
  /** Of the taught answer. */
  readonly chance: number;
}
const lines: Line[] = existsSync(values.out)
  ? readFileSync(values.out, "utf8")
      .trim()
      .split("\n")
      .filter((one) => one !== "")
      .map((one) => JSON.parse(one) as Line)
  : [];

/** Taught, then asked: a run that is cut short has whole facts. */
const GROUP = 20;
if (values.minutes > 0) {
  await using model = await loadModel(values.model, {
    memoryDir: values.memory,
    backend: () => ortBackend({ threads: values.threads }),
  });
  for (let at = 0; at < values.facts && !isLate(); at += GROUP) {
    const group = Array.from({ length: Math.min(GROUP, values.facts - at) }, (_, n) => at + n);
    await teach(model, group);
    const memory = model.memoryFor() as TaughtMemory;
    const held = new Set(model.facts().map(({ id }) => id));
    const isAsked = new Set(lines.map(({ fact }) => fact));
    // It reads what is taught by now.
    await using session = model.createSession();
    for (const fact of group)
      if (held.has(`f${fact}`) && !isAsked.has(fact) && !isLate())
        await ask(fact, { model, memory, session });
  }
}

async function teach(model: Model, group: readonly number[]): Promise<void> {
  const held = new Set(model.facts().map(({ id }) => id));
  const requests = group
    .filter((n) => !held.has(`f${n}`))
    .map((n) => {
      const { prompt, target_new: completion, subject } = edits[n]!;
      return { id: `f${n}`, prompt, completion, subject };
    });
  if (requests.length === 0) return;
  const begun = process.cpuUsage();
  // One that is refused refuses all.
  await model.teach(requests).catch(async () => {
    for (const one of requests) await model.teach([one]).catch(() => undefined);
  });
  const { user, system } = process.cpuUsage(begun);
  const seconds = ((user + system) / 1e6 / requests.length).toFixed(2);
  process.stderr.write(`taught to ${group.at(-1)! + 1}, ${seconds} s of processor each\n`);
}

async function ask(
  fact: number,
  { model, memory, session }: { model: Model; memory: TaughtMemory; session: Session },
): Promise<void> {
  const { tokenizer } = model;
  const completion = Array.from(await tokenizer.encode(` ${edits[fact]!.target_new.trim()}`));
  const found: Line[] = [];
  for (const { asked, text } of questionsOf(fact)) {
    const prompt = [...tokenizer.bounds.startIds, ...(await tokenizer.encode(text))];
    const ids = [...prompt, ...completion];
    const fired = [...memory.firings({ ids, from: 0, to: prompt.length })];
    const own = fired.filter((one) => one.fact.id === `f${fact}`);
    // Of the wording the whole prompt, which ends where the answer begins.
    const isWording = own.some((o) => o.kind === "wording" && o.position === prompt.length - 1);
    const isSubject = own.some(({ kind }) => kind === "subject");
    const isOther = fired.length > own.length;
    const by = isWording ? "wording" : isSubject ? "subject" : isOther ? "another" : "nothing";
    const isSilent = by === "another" || by === "nothing";
    const chance = isSilent ? 0 : await chanceOf(session, ids, prompt.length);
    found.push({ fact, asked, text, by, chance });
  }
  lines.push(...found);
  appendFileSync(values.out, found.map((one) => `${JSON.stringify(one)}\n`).join(""));
  process.stderr.write(`asked about ${fact + 1}\n`);
}

async function chanceOf(session: Session, ids: readonly number[], from: number): Promise<number> {
  session.rewind(0);
  const { logits } = await session.append(ids.slice(0, -1), { logits: "all" });
  const width = logits.length / (ids.length - 1);
  let nats = 0;
  for (let i = from; i < ids.length; i++)
    nats += logProbsOf(logits.subarray((i - 1) * width, i * width), {
      id: ids[i]!,
      top: 0,
    }).logProb;
  return Math.exp(nats);
}

/** An answer that says what a fact taught. Each class of questions about a fact counts as one question. */
interface Answer extends Judged {
  readonly fact: number;
  readonly asked: QuestionClass;
  readonly ground: KnownGround;
  /** Not divided by the questions of its class. */
  readonly says: number;
}
const numOf = (fact: number, asked: QuestionClass): number =>
  lines.filter((one) => one.fact === fact && one.asked === asked).length;
const answers = lines.flatMap(({ fact, asked, text, by, chance: says }): Answer[] => {
  if (by !== "wording" && by !== "subject") return [];
  const ground = knownGround(edits[fact]!, { by, text });
  const chance = says / numOf(fact, asked);
  return [{ fact, asked, ground, says, chance, isTrue: isMeant(asked), number: KNOWN[ground] }];
});
const facts = [...new Set(lines.map(({ fact }) => fact))];
const sum = (of: readonly number[]): number => of.reduce((a, b) => a + b, 0);
const rounded = (of: readonly number[]): string => of.map((x) => x.toFixed(3)).join(",");

console.log(`${facts.length} facts, ${lines.length} questions`);
console.log("asked,questions,wording_fires,subject_fires,says_it,mean_number_of_all_answers");
for (const asked of new Set(lines.map((one) => one.asked))) {
  const group = lines.filter((one) => one.asked === asked);
  const of = answers.filter((one) => one.asked === asked);
  const fires = (by: string): number => group.filter((one) => one.by === by).length;
  const says = sum(of.map((one) => one.says)) / group.length;
  const number = sum(of.map((one) => one.says * one.number)) / group.length;
  const shares = rounded([says, number]);
  console.log([`"${asked}"`, group.length, fires("wording"), fires("subject"), shares].join(","));
}

/** Counted on facts of even number, judged on the others. */
const isJudged = ({ fact }: { readonly fact: number }): boolean => fact % 2 === 1;
const random = Random.fromSeed(1, "facts");
const judgedFacts = facts.filter((fact) => isJudged({ fact }));
/** Of a figure, by drawing facts with replacement, 95 %. */
function interval(of: (drawn: readonly Answer[]) => number, group: readonly Answer[]): string {
  const byFact = Map.groupBy(group, ({ fact }) => fact);
  const one = (): number => judgedFacts[random.int(judgedFacts.length)]!;
  const draws = Array.from({ length: 1000 }, () =>
    of(judgedFacts.flatMap(() => byFact.get(one()) ?? [])),
  ).toSorted((a, b) => a - b);
  return `${of(group).toFixed(3)} (${draws[25]!.toFixed(3)} to ${draws[974]!.toFixed(3)})`;
}
const judged = answers.filter(isJudged);
console.log("ground,number,counted_on_even_facts,answers,share_true_of_odd_facts");
for (const ground of Object.keys(KNOWN) as KnownGround[]) {
  const of = (all: readonly Answer[]): Answer[] => all.filter((one) => one.ground === ground);
  const counted = shareTrue(of(answers.filter((one) => !isJudged(one))));
  const group = of(judged);
  const weight = sum(group.map(({ chance }) => chance));
  const cells = [`"${ground}"`, KNOWN[ground], rounded([counted, weight])];
  console.log([...cells, interval(shareTrue, group)].join(","));
}
for (const [name, group] of [
  ["the number", judged],
  ["the model's chance", judged.map((one) => ({ ...one, number: one.says }))],
  ["always their mean", judged.map((one) => ({ ...one, number: shareTrue(judged) }))],
] as const) {
  const errorOf = (drawn: readonly Answer[]): number => reliability(drawn).error;
  const error = interval(errorOf, group);
  console.log(`${name}: expected calibration error ${error}, Brier ${interval(brierScore, group)}`);
  for (const { from, to, weight, number, isTrue } of reliability(group).bins)
    console.log(`  ${from}-${to},${rounded([weight, number, isTrue])}`);
}
if (values.svg !== undefined) writeFileSync(values.svg, reliabilitySvg(reliability(judged).bins));
