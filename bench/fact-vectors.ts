/**
 * Vectors of facts (docs/decisions/0037): CounterFact's edits, written with the prompt alone, asked in the prompt and in a
 * wording that was not shown, and the same with other vectors as controls and with the fact in the prompt as the baseline.
 *
 *   node bench/fact-vectors.ts --model DIR|FILE.gguf --data counterfact-val.json [--facts 32] [--batch 32] [--layers 7,15]
 *
 * Words are ROME's (arXiv 2202.05262): efficacy, paraphrase and neighbourhood count where the asked completion is likelier
 * than the other one. "exact" counts where greedy decoding says all of the completion. Inside the timing window: writing,
 * warm. The last line is JSON.
 */
import { needed, readOptions } from "./setup/command-line.ts";
import { argmax, logProbsOf } from "../src/inference/index.ts";
import { loadModel } from "../src/load-model.ts";
import type { Memory } from "../src/memory/memory.ts";
import { Random } from "../src/numerics/index.ts";
import { type Edit, type Statement, VectorWriter, type Written } from "../src/teaching/index.ts";
import { type CounterFactEdit, readCounterFact } from "./setup/counterfact.ts";
import { type KeyedVector, streamWrites } from "../test/models/stream-writes.ts";

const values = readOptions({
  model: needed,
  data: needed,
  facts: 32,
  batch: 32,
  layers: undefined,
  contexts: 1,
  leash: "1",
  skip: 0,
});
const contexts = ["The weather was fine that day. ", "Some say so. However, "].slice(
  0,
  values.contexts,
);
const model = await loadModel(values.model);
const encode = async (text: string): Promise<number[]> => [
  ...model.tokenizer.bounds.startIds,
  ...(await model.tokenizer.encode(text)),
];
const bare = async (text: string): Promise<number[]> =>
  Array.from(await model.tokenizer.encode(text));
const keysOf = async (subject: string): Promise<number[][]> => [
  await bare(subject),
  await bare(` ${subject}`),
];
const isIn = (keys: readonly number[][], ids: readonly number[]): boolean =>
  keys.some((key) => ` ${ids.join(" ")} `.includes(` ${key.join(" ")} `));

interface Asked {
  readonly item: CounterFactEdit;
  readonly edit: Edit;
  readonly leash: readonly number[];
}
const all = readCounterFact(values.data);
const asked: Asked[] = [];
for (const item of all.slice(values.skip)) {
  if (asked.length === values.facts) break;
  const keys = await keysOf(item.subject);
  const completion = await bare(` ${item.target_new}`);
  const statements: Statement[] = [{ prompt: await encode(item.prompt), completion }];
  for (const context of contexts)
    statements.push({ prompt: await encode(context + item.prompt), completion });
  const leash = await encode(`${item.subject} is a`);
  const texts = [
    ...statements.map(({ prompt }) => prompt),
    leash,
    await encode(item.rephrase_prompt),
  ];
  // An n-gram of ids is a key: a subject that is spelled otherwise there is not reached, and is left out of this table.
  if (!texts.every((ids) => isIn(keys, ids)) || isIn(keys, await encode(item.locality_prompt)))
    continue;
  const edit = { keys, statements, ...(values.leash === "1" && { leashes: [leash] }) };
  asked.push({ item, edit, leash });
}
await using writer = new VectorWriter(model.language, {
  ...(values.layers !== undefined && { layers: values.layers.split(",").map(Number) }),
});
const edits = asked.map(({ edit }) => edit);
if (process.env["WARM"] !== "0") await writer.write(edits.slice(0, 1));
const oneTimes: number[] = [];
for (const edit of edits.slice(0, 5)) {
  const start = performance.now();
  await writer.write([edit]);
  oneTimes.push(performance.now() - start);
}
const start = performance.now();
const written: Written[] = [];
for (let at = 0; at < edits.length; at += values.batch)
  written.push(...(await writer.write(edits.slice(at, at + values.batch))));
const milliseconds = (performance.now() - start) / edits.length;

/** Chances of some completions after a prompt, and whether greedy decoding says the first; logits of the prompt's end. */
async function ask(prompt: string, completions: readonly string[], memory: Memory | undefined) {
  await using session = model.createSession({ scopes: [], view: { memory } });
  const ids = await encode(prompt);
  const first = (await session.append(ids)).logits.slice();
  const chances: number[] = [];
  let isExact = true;
  for (const [c, text] of completions.entries()) {
    let logits = first;
    let nats = 0;
    for (const [i, id] of (await bare(` ${text}`)).entries()) {
      if (i > 0) logits = (await session.append([(await bare(` ${text}`))[i - 1]!])).logits.slice();
      nats -= logProbsOf(logits, { id, top: 0 }).logProb;
      if (c === 0 && argmax(logits) !== id) isExact = false;
    }
    session.rewind(ids.length);
    chances.push(Math.exp(-nats));
  }
  return { chances, isExact, first };
}

const random = Random.fromSeed(1, "vectors");
function controls(i: number): Record<string, readonly KeyedVector[] | undefined> {
  const { keys } = edits[i]!;
  const [own] = written[i]!.writes;
  const [other] = written[(i + 1) % written.length]!.writes;
  const noise = new Float32Array(own!.vector.length);
  random.fillNormal(noise, 1);
  const scale = Math.hypot(...own!.vector) / Math.hypot(...noise);
  return {
    none: undefined,
    vector: [{ keys, ...own! }],
    shuffled: [{ keys, ...other! }],
    random: [{ keys, layerId: own!.layerId, vector: noise.map((x) => x * scale) }],
    "in the prompt": undefined,
  };
}

type Counts = Record<
  | "efficacy"
  | "exact"
  | "paraphrase"
  | "paraphraseExact"
  | "neighbourhood"
  | "sameBits"
  | "reversed"
  | "leash",
  number
>;
const sums: Record<string, Counts> = {};
for (const [i, { item, leash }] of asked.entries()) {
  const pair = [item.target_new, item.ground_truth];
  const plain = await ask(
    item.locality_prompt,
    [item.locality_ground_truth, item.target_new],
    undefined,
  );
  await using before = model.createSession({ scopes: [], view: { memory: undefined } });
  const was = (await before.append(leash)).logits.slice();
  for (const [name, vectors] of Object.entries(controls(i))) {
    const memory = vectors && streamWrites(undefined, vectors);
    const shown = name === "in the prompt" ? `${item.prompt} ${item.target_new}. ` : "";
    const of = (sums[name] ??= {
      efficacy: 0,
      exact: 0,
      paraphrase: 0,
      paraphraseExact: 0,
      neighbourhood: 0,
      sameBits: 0,
      reversed: 0,
      leash: 0,
    });
    const direct = await ask(shown + item.prompt, pair, memory);
    const other = await ask(shown + item.rephrase_prompt, pair, memory);
    const near = await ask(
      shown + item.locality_prompt,
      [item.locality_ground_truth, item.target_new],
      memory,
    );
    const back = await ask(`${shown}${item.target_new} is associated with`, [item.subject], memory);
    await using after = model.createSession({ scopes: [], view: { memory } });
    const is = (await after.append(shown === "" ? leash : [...(await encode(shown)), ...leash]))
      .logits;
    of.efficacy += Number(direct.chances[0]! > direct.chances[1]!);
    of.exact += Number(direct.isExact);
    of.paraphrase += Number(other.chances[0]! > other.chances[1]!);
    of.paraphraseExact += Number(other.isExact);
    of.neighbourhood += Number(near.chances[0]! > near.chances[1]!);
    of.sameBits += Number(near.first.every((x, n) => x === plain.first[n]));
    of.reversed += Number(back.isExact);
    of.leash += divergence(was, is);
  }
}

function divergence(p: Float32Array, q: Float32Array): number {
  const norm = (x: Float32Array): number => {
    const top = x.reduce((a, b) => Math.max(a, b), -Infinity);
    return top + Math.log(x.reduce((sum, y) => sum + Math.exp(y - top), 0));
  };
  const [a, b] = [norm(p), norm(q)];
  return p.reduce((sum, x, i) => sum + Math.exp(x - a) * (x - a - (q[i]! - b)), 0);
}

const n = asked.length;
const median = (xs: readonly number[]): number => xs.toSorted((a, b) => a - b)[xs.length >> 1]!;
console.log(`${n} facts; share, and its standard error at 0.5: ${(0.5 / Math.sqrt(n)).toFixed(3)}`);
for (const [name, counts] of Object.entries(sums))
  console.log(
    name.padEnd(14),
    Object.entries(counts)
      .map(([key, sum]) => `${key} ${(sum / n).toFixed(3)}`)
      .join("  "),
  );
console.log(
  JSON.stringify({
    model: values.model.split("/").at(-1),
    facts: n,
    layers: written
      .map(({ writes }) => writes[0]!.layerId)
      .reduce((m, l) => ({ ...m, [l]: ((m as Record<string, number>)[l] ?? 0) + 1 }), {}),
    arrived: written.filter(({ status }) => status === "ok").length / n,
    medianSteps: median(written.map(({ steps }) => steps)),
    millisecondsOne: oneTimes.map(Math.round),
    millisecondsInBatch: Math.round(milliseconds),
    bytes: 2 * model.config.hiddenSize,
    ...sums,
  }),
);
await model.close();
