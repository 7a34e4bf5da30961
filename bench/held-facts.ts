/**
 * Many facts held at once, beside what needs no memory: each exact in its wording; and what a memory of wordings cannot do, the
 * relation reversed and two facts joined.
 *
 *   node bench/held-facts.ts MODEL [facts=10000] [asked=500] [hard=20] [minutes=15] [seed=1]
 *
 * Facts are made up, so that no model knows one, and written without the model's reading. `asked` of them are asked greedily, as many as
 * there is time for; `hard` of them reversed ("Talofe is the capital of"), and as the second of two facts ("The capital of the sister
 * town of Zomu Rabi is"). In the prompt: the right one, found by its words; and all that fit into an eighth of the context, of
 * which `hard` are asked. The shares are of answers that begin with the whole completion. Decoding: two sessions read the same
 * text, with all facts in scope and with none, in turns; medians of the processor's time a token. The last line is JSON.
 */
import { needed, readWords } from "./setup/command-line.ts";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FactToAdd } from "../src/facts/index.ts";
import { wordingsOf } from "../src/facts/wording.ts";
import { argmax } from "../src/inference/index.ts";
import { loadModel, ortBackend } from "../src/index.ts";
import { Random } from "../src/numerics/index.ts";
import { madeUpFact, type MadeUpFact } from "./setup/made-up-facts.ts";
import { median } from "./setup/training-run.ts";

const { model: path, ...numbers } = readWords({
  model: needed,
  facts: 10_000,
  asked: 500,
  hard: 20,
  minutes: 15,
  seed: 1,
});
const { facts: count, asked, hard, minutes, seed } = numbers;
const deadline = performance.now() + minutes * 60_000;
const random = Random.fromSeed(seed, "facts");
const folder = await mkdtemp(join(tmpdir(), "engram-bench-held-"));
process.on("exit", () => void rm(folder, { recursive: true, force: true }));
await using model = await loadModel(path, {
  backend: () => ortBackend({ threads: 1 }),
  memoryDir: folder,
});
const { tokenizer } = model;
const encode = async (text: string): Promise<number[]> => Array.from(await tokenizer.encode(text));

const facts: MadeUpFact[] = [];
const known = new Set<string>();
/** Its subject is what another fact says. */
const joinedTo = new Map<MadeUpFact, MadeUpFact>();
while (facts.length < count) {
  const town = facts.at(-1);
  const isSecond = town?.relation === "sister town" && joinedTo.size < hard;
  const subject = isSecond ? town.completion.slice(1, -1) : undefined;
  const one = madeUpFact(random, facts.length, subject);
  if (known.has(one.prompt)) continue;
  known.add(one.prompt);
  facts.push(one);
  if (isSecond) joinedTo.set(one, town);
}
const edits: FactToAdd[] = [];
const createdAt = new Date().toISOString();
for (const [n, { prompt, completion }] of facts.entries())
  edits.push({
    fact: { id: `f${n}`, scope: "default", prompt, completion, createdAt },
    edits: await wordingsOf({ prompt, completion }, { tokenizer }),
  });
await model.taught!.store.add(edits);

/** Whether a text goes on, greedily, with a completion. */
async function says(
  prompt: string,
  completion: string,
  scopes: readonly string[],
): Promise<boolean> {
  await using session = model.createSession({ scopes });
  let { logits } = await session.append([...tokenizer.bounds.startIds, ...(await encode(prompt))]);
  return await goesOn(
    completion,
    async (id) => ({ logits } = await session.append([id])).logits,
    logits,
  );
}

async function goesOn(
  completion: string,
  next: (id: number) => Promise<Float32Array>,
  first: Float32Array,
): Promise<boolean> {
  const said: number[] = [];
  let logits = first;
  for (let n = 0; n < 24; n++) {
    said.push(argmax(logits));
    const text = tokenizer.decode(said);
    if (!completion.startsWith(text.slice(0, completion.length))) return false;
    if (text.length >= completion.length) return true;
    logits = await next(said.at(-1)!);
  }
  return false;
}

const result: Record<string, unknown> = { model: path, held: facts.length };
async function share(
  name: string,
  of: readonly MadeUpFact[],
  ask: (fact: MadeUpFact) => Promise<boolean>,
): Promise<void> {
  let [right, all] = [0, 0];
  for (const fact of of) {
    if (performance.now() > deadline) break;
    right += Number(await ask(fact));
    all++;
  }
  result[name] = `${right} of ${all}`;
  console.log(`${name},${right},${all}`);
}
const some = (many: number): MadeUpFact[] =>
  Array.from({ length: many }, (_, i) => facts[Math.floor((i * facts.length) / many)]!);
console.log("asked,right,of");
const few = some(hard);
await share("reversed", few, ({ relation, subject, completion }) =>
  says(`${completion.slice(1, -1)} is the ${relation} of`, ` ${subject}`, ["default"]),
);
await share("two facts joined", [...joinedTo.keys()], (second) => {
  const first = joinedTo.get(second)!;
  const prompt = `The ${second.relation} of the ${first.relation} of ${first.subject} is`;
  return says(prompt, second.completion, ["default"]);
});
await share("the right one in the prompt", few, ({ prompt, completion }) =>
  says(`${prompt}${completion}\n${prompt}`, completion, []),
);
{
  await using session = model.createSession({ scopes: [] });
  const texts: number[] = [...tokenizer.bounds.startIds];
  let fit = 0;
  for (; fit < facts.length; fit++) {
    const ids = await encode(`${facts[fit]!.prompt}${facts[fit]!.completion}\n`);
    if (texts.length + ids.length > model.config.maxPositions / 8) break;
    texts.push(...ids);
  }
  await session.append(texts);
  result["fit"] = fit;
  const shown = Array.from({ length: Math.min(hard, fit) }, (_, i) =>
    Math.floor((i * fit) / Math.min(hard, fit)),
  ).map((n) => facts[n]!);
  await share(`in the prompt with ${fit - 1} others`, shown, async ({ prompt, completion }) => {
    session.rewind(texts.length);
    const { logits } = await session.append(await encode(prompt));
    return goesOn(completion, async (id) => (await session.append([id])).logits, logits);
  });
}
{
  const text = [...tokenizer.bounds.startIds];
  for (const { prompt, completion } of facts.slice(0, 200))
    text.push(...(await encode(`${completion.slice(1)} ${prompt.slice(4)} and`)));
  const sides = [["default"], []].map((scopes) => ({
    session: model.createSession({ scopes }),
    times: [] as number[],
  }));
  for (let round = 0; round < 24 && performance.now() < deadline; round++)
    for (const { session, times } of round % 2 === 0 ? sides : sides.toReversed()) {
      session.rewind(0);
      await session.append(text.slice(16 * round, 16 * round + 8));
      const begun = process.cpuUsage();
      for (let i = 0; i < 8; i++) await session.append([text[16 * round + 8 + i]!]);
      const { user, system } = process.cpuUsage(begun);
      if (round >= 2) times.push((user + system) / 8000);
    }
  const [taught, none] = sides.map(({ times }) => median(times)) as [number, number];
  result["decode"] = none / taught;
  console.log(
    `decoding: ${taught.toFixed(2)} ms a token over ${none.toFixed(2)}, speed ${(none / taught).toFixed(3)}`,
  );
  for (const { session } of sides) await session.dispose();
}
await share("in its wording", some(asked), ({ prompt, completion }) =>
  says(prompt, completion, ["default"]),
);
console.log(JSON.stringify(result));
