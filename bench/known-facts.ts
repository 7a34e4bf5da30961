/**
 * How well an answer can know "I was taught this": a model that was taught is asked what it was taught and what it was not, and
 * a number from 0 to 1 is fitted to the answers that say what was taught.
 *
 *   node bench/known-facts.ts --model DIR|FILE.gguf --data counterfact-val.json --memory DIR --out QUESTIONS.jsonl
 *       [--facts 24] [--minutes 20] [--svg FILE.svg]
 *
 * CounterFact's edits, taught with their subjects and kept in DIR, in groups of 8. Asked are the wording that was taught; its
 * rephrasing, alone and behind two sentences; and what nothing was taught of: two questions about the subject, three other
 * edits' prompts with this subject in them (only where this completion is no answer to their kind), the neighbouring prompt.
 * OUT keeps a line for each question: a run that ended goes on where it was, and ends after so many minutes. An answer that is drawn
 * says what was taught with the chance that the model gives it: so each question counts with that chance, and nothing is drawn.
 *
 * The number, for answers in which a key fired, is logistic in the logit of that chance, in what the facts have added to it, in the
 * share of the taught prompt's other words that the question has, and in whether it has the whole prompt; fitted on every second
 * fact, each of another subject, judged on the others, and the other way round. Lines of CSV: the diagram by bins; the expected
 * calibration error with a 95 % interval (500 draws of facts), of all, of those with the subject alone, and of the chance alone.
 */
import { needed, readOptions } from "./setup/command-line.ts";
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { TaughtMemory } from "../src/facts/index.ts";
import { logProbsOf } from "../src/inference/index.ts";
import { loadModel } from "../src/load-model.ts";
import { Random } from "../src/numerics/index.ts";
import { type CounterFactEdit, readCounterFact } from "./setup/counterfact.ts";
import {
  type Said,
  calibrate,
  type Judged,
  reliability,
  reliabilitySvg,
} from "./setup/calibration.ts";

const values = readOptions({
  model: needed,
  data: needed,
  memory: needed,
  out: needed,
  svg: undefined,
  facts: 24,
  minutes: 20,
});
const deadline = performance.now() + values.minutes * 60_000;
const isLate = (): boolean => performance.now() > deadline;
const everything = readCounterFact(values.data);
const subjects = new Set<string>();
const all = everything.filter(
  ({ prompt, rephrase_prompt: other, subject, locality_prompt: near }) =>
    prompt.includes(subject) &&
    other.includes(subject) &&
    !near.includes(subject) &&
    !subjects.has(subject) &&
    subjects.add(subject),
);

interface Line extends Said {
  readonly question: string;
  readonly by: "wording" | "subject" | "nothing";
}
const lines: Line[] = existsSync(values.out)
  ? readFileSync(values.out, "utf8")
      .trim()
      .split("\n")
      .filter((one) => one !== "")
      .map((one) => JSON.parse(one) as Line)
  : [];

/** Prompts by their kind: with a gap for the subject. What answers a kind says which completions could be meant by it. */
const kinds = new Map<string, Set<string>>();
const kindOf = ({ prompt, subject }: CounterFactEdit): string => prompt.replace(subject, "{}");
for (const one of all) {
  const answers = kinds.get(kindOf(one)) ?? new Set();
  kinds.set(kindOf(one), answers.add(one.target_new).add(one.ground_truth));
}
const ofKind = new Map<string, Set<string>>();
for (const answers of kinds.values())
  for (const one of answers) {
    const known = ofKind.get(one) ?? new Set();
    for (const other of answers) known.add(other);
    ofKind.set(one, known);
  }
/** Kinds that nobody would answer like this. */
function otherKinds(item: CounterFactEdit, count: number): string[] {
  const like = ofKind.get(item.target_new) ?? new Set();
  const random = Random.fromSeed(1, item.subject);
  const found: string[] = [];
  for (let tries = 0; tries < 1000 && found.length < count; tries++) {
    const kind = [...kinds.keys()][random.int(kinds.size)]!;
    const isOther = kind.includes("{}") && [...kinds.get(kind)!].every((one) => !like.has(one));
    if (isOther && !found.includes(kind)) found.push(kind);
  }
  return found.map((kind) => kind.replace("{}", item.subject));
}

const wordsOf = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
function shareOf({ prompt, subject }: CounterFactEdit, question: string): number {
  const own = wordsOf(prompt.replace(subject, ""));
  const asked = new Set(wordsOf(question.replace(subject, "")));
  return own.filter((word) => asked.has(word)).length / Math.max(1, own.length);
}

{
  await using model = await loadModel(values.model, { memoryDir: values.memory });
  const { tokenizer } = model;
  const GROUP = 8;
  const held = (): Set<string> => new Set(model.facts().map(({ id }) => id));
  for (let at = 0; at < values.facts && !isLate(); at += GROUP) {
    const requests = all.slice(at, at + GROUP).flatMap((item, n) => {
      const { prompt, target_new: completion, subject } = item;
      return held().has(`f${at + n}`) ? [] : [{ id: `f${at + n}`, prompt, completion, subject }];
    });
    // One that is refused refuses all.
    if (requests.length === GROUP)
      await model.teach(requests).catch(async () => {
        for (const one of requests) await model.teach([one]).catch(() => undefined);
      });
  }
  const memory = model.memoryFor();
  const contexts = ["", "The weather was fine that day. ", "Some say so. However, "];
  for (const [fact, item] of all.slice(0, values.facts).entries()) {
    if (!held().has(`f${fact}`) || lines.some((one) => one.fact === fact)) continue;
    if (isLate()) break;
    const asked = [
      [item.prompt, true],
      ...contexts.map((context) => [context + item.rephrase_prompt, true]),
      [`My favourite thing about ${item.subject} is`, false],
      [`The newspaper wrote today that ${item.subject}`, false],
      ...otherKinds(item, 3).map((one) => [one, false]),
      [item.locality_prompt, false],
    ] as [string, boolean][];
    const completion = Array.from(await tokenizer.encode(` ${item.target_new.trim()}`));
    const found: Line[] = [];
    for (const [question, isMeant] of asked) {
      const prompt = [...tokenizer.bounds.startIds, ...(await tokenizer.encode(question))];
      const ids = [...prompt, ...completion];
      const chanceIn = async (scopes?: readonly string[]): Promise<number> => {
        await using session = model.createSession(scopes && { scopes });
        const { logits } = await session.append(ids.slice(0, -1), { logits: "all" });
        const width = logits.length / (ids.length - 1);
        let chance = 1;
        for (let i = prompt.length; i < ids.length; i++) {
          const row = logits.subarray((i - 1) * width, i * width);
          chance *= Math.exp(logProbsOf(row, { id: ids[i]!, top: 0 }).logProb);
        }
        return chance;
      };
      const [chance, without] = [await chanceIn(), await chanceIn([])];
      const fired =
        memory instanceof TaughtMemory
          ? new Set([...memory.firings({ ids, from: 0, to: ids.length - 1 })].map((f) => f.kind))
          : new Set();
      const by = fired.has("wording") ? "wording" : fired.has("subject") ? "subject" : "nothing";
      const share = shareOf(item, question);
      const isWording = by === "wording";
      found.push({ fact, question, by, chance, without, share, isWording, isMeant });
    }
    lines.push(...found);
    appendFileSync(values.out, found.map((one) => `${JSON.stringify(one)}\n`).join(""));
    process.stderr.write(`${fact + 1} facts\n`);
  }
}

const facts = new Set(lines.map(({ fact }) => fact));
console.log(`${facts.size} facts, ${lines.length} questions`);
console.log("by,is_meant,questions,mean_chance,mean_share");
for (const by of ["wording", "subject", "nothing"] as const)
  for (const isMeant of [true, false]) {
    const group = lines.filter((one) => one.by === by && one.isMeant === isMeant);
    if (group.length === 0) continue;
    const mean = (of: (one: Line) => number): string =>
      (group.reduce((sum, one) => sum + of(one), 0) / group.length).toFixed(3);
    console.log([by, isMeant, group.length, mean((o) => o.chance), mean((o) => o.share)].join(","));
  }
const fired = lines.filter(({ by }) => by !== "nothing");
const judged: Judged[] = [0, 1].flatMap((half) => {
  const number = calibrate(fired.filter(({ fact }) => fact % 2 === half));
  return fired
    .filter(({ fact }) => fact % 2 !== half)
    .map((one) => ({ ...one, number: number(one) }));
});
const ofSubject = judged.filter(({ isWording }) => !isWording);
const random = Random.fromSeed(1, "facts");
for (const [name, group] of [
  ["fitted", judged],
  ["fitted, subjects alone", ofSubject],
  ["the chance alone, subjects alone", ofSubject.map((one) => ({ ...one, number: one.chance }))],
] as const) {
  const { bins, error } = reliability(group);
  const draws = Array.from({ length: 500 }, () => {
    const drawn = Array.from(facts, () => [...facts][random.int(facts.size)]!);
    return reliability(drawn.flatMap((fact) => group.filter((one) => one.fact === fact))).error;
  }).toSorted((a, b) => a - b);
  console.log(`${name}: number,answers,mean_number,share_true`);
  for (const { from, to, weight, number, isTrue } of bins)
    console.log([`${from}-${to}`, ...[weight, number, isTrue].map((x) => x.toFixed(3))].join(","));
  console.log(
    `expected calibration error ${error.toFixed(3)}, 95 % ${draws[12]!.toFixed(3)} to ${draws[487]!.toFixed(3)}`,
  );
  if (name === "fitted" && values.svg !== undefined)
    writeFileSync(values.svg, reliabilitySvg(bins));
}
const whole = calibrate(fired);
console.log(`fitted on all: ${JSON.stringify(whole.weights)}`);
