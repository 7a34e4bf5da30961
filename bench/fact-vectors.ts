/**
 * Vectors of facts (docs/decisions/0037): CounterFact's edits, written with the prompt alone, asked in the prompt and in a
 * wording that was not shown, and the same with other vectors as controls and with the fact in the prompt as the baseline.
 *
 *   node bench/fact-vectors.ts --model DIR|FILE.gguf --data counterfact-val.json [--facts 32] [--batch 32] [--layers 7,15]
 *
 * What is asked: `setup/edit-figures.ts`. Inside the timing window: writing, warm. The last line is JSON.
 */
import { needed, readOptions } from "./setup/command-line.ts";
import { loadModel } from "../src/load-model.ts";
import { Random } from "../src/numerics/index.ts";
import { type Edit, type Statement, VectorWriter, type Written } from "../src/teaching/index.ts";
import { type CounterFactEdit, readCounterFact } from "./setup/counterfact.ts";
import { type EditFigures, editFigures, plainOf, printFigures } from "./setup/edit-figures.ts";
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
  asked.push({ item, edit });
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

const figures = new Map<string, EditFigures[]>();
const { tokenizer } = model;
for (const [i, { item }] of asked.entries()) {
  await using bareSession = model.createSession({ scopes: [], view: { memory: undefined } });
  const plain = await plainOf({ item, session: bareSession, tokenizer });
  for (const [name, vectors] of Object.entries(controls(i))) {
    const memory = vectors && streamWrites(undefined, vectors);
    await using session = model.createSession({ scopes: [], view: { memory } });
    const shown = name === "in the prompt" ? `${item.prompt} ${item.target_new}. ` : "";
    const one = await editFigures({ item, session, tokenizer }, { plain, shown });
    figures.set(name, [...(figures.get(name) ?? []), one]);
  }
}

const n = asked.length;
const median = (xs: readonly number[]): number => xs.toSorted((a, b) => a - b)[xs.length >> 1]!;
console.log(`${n} facts; share, and its standard error at 0.5: ${(0.5 / Math.sqrt(n)).toFixed(3)}`);
printFigures(figures);
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
  }),
);
await model.close();
