/**
 * How well an answer can know "I was taught this": answers of a model that was taught, each with a number from 0 to 1 and
 * whether it is true. The number is 0 where an answer says something else; 1 - 2^-10 where the question has a fact's own
 * words; where it only names the subject it is fitted to the chance of the answer. The server gives that chance and no
 * number: this is how one would be found.
 *
 *   node bench/known-facts.ts --model DIR|FILE.gguf --data counterfact-val.json --memory DIR [--facts 48] [--samples 3]
 *
 * CounterFact's edits, taught with their subjects and kept in DIR, so that a second run does not teach. Asked are: the wording
 * that was taught; its rephrasing in three contexts; two questions about the subject that nothing was taught of; the
 * neighbouring prompt, which does not name it. Each is answered once greedily and `samples` times drawn at temperature 1. True is
 * an answer that begins with what was taught, to a question that asks for it. The numbers for subjects are fitted on every
 * second fact (logistic in the logit of the answer's chance) and judged on the others. Lines of CSV: what was answered, by bin.
 */
import { needed, readOptions } from "./setup/command-line.ts";
import { createSampler, logProbsOf } from "../src/inference/index.ts";
import { loadModel } from "../src/load-model.ts";
import { TaughtMemory } from "../src/facts/index.ts";
import { type CounterFactEdit, readCounterFact } from "./setup/counterfact.ts";

const values = readOptions({
  model: needed,
  data: needed,
  memory: undefined,
  facts: 48,
  samples: 3,
});
interface Answer {
  readonly fact: number;
  readonly by: "wording" | "subject" | "nothing";
  readonly isSaid: boolean;
  /** Of what was said of the completion. */
  readonly chance: number;
  readonly isTrue: boolean;
}

await using model = await loadModel(values.model, { memoryDir: values.memory });
const { tokenizer } = model;
const encode = async (text: string): Promise<number[]> => [
  ...tokenizer.bounds.startIds,
  ...(await tokenizer.encode(text)),
];
const all = readCounterFact(values.data).filter(
  ({ prompt, rephrase_prompt: other, subject, locality_prompt: near }) =>
    prompt.includes(subject) && other.includes(subject) && !near.includes(subject),
);
/** Facts of one call of `teach`: together they take less time, and one that is refused refuses all. */
const GROUP = 8;
const items: CounterFactEdit[] = [];
for (let at = 0; items.length < values.facts && at < all.length; at += GROUP) {
  const held = new Set(model.facts().map(({ id }) => id));
  const group = all.slice(at, at + GROUP);
  const requests = group.map((item, n) => ({
    id: `f${at + n}`,
    prompt: item.prompt,
    completion: item.target_new,
    subject: item.subject,
  }));
  const missing = requests.filter(({ id }) => !held.has(id));
  const start = performance.now();
  const refused = new Set<string>();
  if (missing.length > 0 && !held.has(requests.at(-1)!.id))
    await model.teach(missing).catch(async () => {
      for (const one of missing) await model.teach([one]).catch(() => refused.add(one.id));
    });
  process.stderr.write(
    `${at + GROUP} of ${all.length}: ${((performance.now() - start) / 1000).toFixed(1)} s, ${refused.size} refused\n`,
  );
  const known = new Set(model.facts().map(({ id }) => id));
  items.push(...group.filter((_, n) => known.has(requests[n]!.id)));
}

async function answer(
  prompt: string,
  completion: readonly number[],
  temperature: number,
): Promise<Pick<Answer, "by" | "isSaid" | "chance">> {
  await using session = model.createSession();
  const ids = await encode(prompt);
  let { logits } = await session.append(ids);
  const sampler = createSampler({ temperature, seed: seed++ });
  let chance = 1;
  let isSaid = true;
  const said: number[] = [];
  for (const [i, wanted] of completion.entries()) {
    const id = sampler(logits, said);
    said.push(id);
    chance *= Math.exp(logProbsOf(logits, { id, top: 0 }).logProb);
    if (id !== wanted) isSaid = false;
    if (!isSaid || i === completion.length - 1) break;
    ({ logits } = await session.append([id]));
  }
  const memory = model.memoryFor();
  const whole = [...ids, ...said];
  const fired =
    memory instanceof TaughtMemory
      ? [...memory.firings({ ids: whole, from: 0, to: whole.length - 1 })]
      : [];
  const kinds = new Set(fired.map(({ kind }) => kind));
  const by = kinds.has("wording") ? "wording" : kinds.has("subject") ? "subject" : "nothing";
  return { by, isSaid, chance };
}
let seed = 1;
const answers: Answer[] = [];
const contexts = ["", "The weather was fine that day. ", "Some say so. However, "];
for (const [fact, item] of items.entries()) {
  const completion = Array.from(await tokenizer.encode(` ${item.target_new.trim()}`));
  const asked = [
    [item.prompt, true],
    ...contexts.map((context) => [context + item.rephrase_prompt, true]),
    [`My favourite thing about ${item.subject} is`, false],
    [`The newspaper wrote today that ${item.subject}`, false],
    [item.locality_prompt, false],
  ] as [string, boolean][];
  for (const [prompt, isMeant] of asked)
    for (let n = 0; n <= values.samples; n++) {
      const told = await answer(prompt, completion, n === 0 ? 0 : 1);
      answers.push({ fact, ...told, isTrue: told.isSaid && isMeant });
    }
}

const logit = (p: number): number => {
  const clipped = Math.min(1 - 1e-4, Math.max(1e-4, p));
  return Math.log(clipped / (1 - clipped));
};
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const isFitting = ({ fact }: Answer): boolean => fact % 2 === 0;
const ofSubject = answers.filter(({ by, isSaid }) => by === "subject" && isSaid);
let [bias, slope] = [0, 1];
const fit = ofSubject.filter(isFitting);
for (let step = 0; step < 4000; step++) {
  let [db, ds] = [0, 0];
  for (const { chance, isTrue } of fit) {
    const x = logit(chance);
    const error = sigmoid(bias + slope * x) - Number(isTrue);
    db += error / fit.length;
    ds += (error * x) / fit.length;
  }
  bias -= 0.3 * db;
  slope -= 0.1 * ds;
}
const known = ({ by, isSaid, chance }: Answer): number => {
  if (!isSaid || by === "nothing") return 0;
  return by === "wording" ? 1 - 2 ** -10 : sigmoid(bias + slope * logit(chance));
};
const judged = answers.filter((one) => !isFitting(one));
console.log(
  `subjects: bias ${bias.toFixed(3)}, slope ${slope.toFixed(3)}, from ${fit.length} answers`,
);
console.log("group,answers,mean_number,share_true");
const line = (name: string, group: readonly Answer[]): void => {
  const mean = (of: (one: Answer) => number): string =>
    (group.reduce((sum, one) => sum + of(one), 0) / group.length).toFixed(3);
  if (group.length > 0)
    console.log(`${name},${group.length},${mean(known)},${mean((one) => Number(one.isTrue))}`);
};
for (const by of ["wording", "subject", "nothing"] as const)
  for (const isSaid of [true, false])
    line(
      `${by} ${isSaid ? "said" : "not said"}`,
      judged.filter((one) => one.by === by && one.isSaid === isSaid),
    );
const edges = [0, 1e-9, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 0.99, 1.01];
let gap = 0;
for (let i = 0; i + 1 < edges.length; i++) {
  const group = judged.filter((one) => known(one) >= edges[i]! && known(one) < edges[i + 1]!);
  line(`${edges[i]} to ${edges[i + 1]}`, group);
  gap += Math.abs(group.reduce((sum, one) => sum + known(one) - Number(one.isTrue), 0));
}
const brier = judged.reduce((sum, one) => sum + (known(one) - Number(one.isTrue)) ** 2, 0);
console.log(
  `judged ${judged.length}: expected calibration error ${(gap / judged.length).toFixed(4)}, Brier ${(brier / judged.length).toFixed(4)}`,
);
