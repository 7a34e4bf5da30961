/**
 * What a model gains by learning a stream that drifts, as it reads it: news in the order in which they were written. Each window
 * is scored first, then learned from. Beside the counts of `--learn`: nothing learned, dynamic evaluation (a step of gradient
 * descent on all weights after each window, arXiv 1709.07432) and a continuous cache of final hidden states (arXiv 1612.04426).
 *
 *   node bench/learn-news.ts --model DIR --data enwikinews.jsonl [--pack READER.pack]
 *       [--first 9000] [--stories 100] [--windows 3] [--most 1000]
 *
 * READER.pack is reader and background (`engram reader train`) of a model that has no memory of its own; a model that counts needs
 * none, and the others have its memory, too. Stories by their number, which is the order of their pages; of each so many windows,
 * and `most` in all. Rates and temperatures of the two others are the best on the first quarter of the windows, and go on alone; all are
 * judged on the rest, in ten blocks of adjacent windows (Student's t, 95 %). Time is the processor's, of reading and learning (the
 * cache reads twice, once for its states), on what is judged. CSV rows; the last line is JSON.
 */
import { needed, readOptions } from "./setup/command-line.ts";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { emptyBatch, logProbsOf } from "../src/inference/index.ts";
import { loadModel, ortBackend } from "../src/index.ts";
import { io, numbersByRows, paramSpecs, rotaryInputs, trainGraph } from "../src/model/index.ts";
import { studentT } from "../src/numerics/index.ts";
import { type Value, valueOf, zeros } from "../src/tensor/index.ts";
import { memoryInputs } from "./setup/memory-inputs.ts";

const values = readOptions({
  model: needed,
  data: needed,
  pack: undefined,
  first: 9000,
  stories: 100,
  windows: 3,
  most: 1000,
});
const folder = mkdtempSync(join(tmpdir(), "engram-bench-news-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const backend = ortBackend({ threads: 1 });
await using model = await loadModel(values.model, {
  backend,
  dtype: "f32",
  ...(values.pack !== undefined && { packs: [values.pack] }),
  memoryDir: folder,
});
/** The model as it is: without the background of its reader, if that is what it has. */
const asItIs = { scopes: [], ...(values.pack !== undefined && { packs: [] }) };
const { tokenizer, config, language } = model;
const length = Math.min(256, config.maxPositions);

interface Story {
  readonly id: string;
  readonly title: string;
  readonly text: string;
}
const stories = readFileSync(values.data, "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Story)
  .toSorted((a, b) => Number(a.id) - Number(b.id))
  .slice(values.first, values.first + values.stories);
const windows: number[][] = [];
for (const { title, text } of stories) {
  const ids = await tokenizer.encode(`${title}\n${text}`);
  for (let n = 0; n < values.windows && (n + 1) * (length - 1) <= ids.length; n++)
    windows.push([
      ...tokenizer.bounds.startIds,
      ...ids.slice(n * (length - 1), (n + 1) * (length - 1)),
    ]);
}

/**
 * Scores a window, then learns from it. Resolves to its nats, and to the seconds of what another arm has read for it.
 */
type Arm = (ids: readonly number[]) => Promise<{ nats: number; late: number }>;
interface Setting {
  readonly arm: string;
  readonly name: string;
  readonly read: Arm;
  readonly nats: number[];
  seconds: number;
}
const settings: Setting[] = [];
const add = (arm: string, name: string, read: Arm): void =>
  void settings.push({ arm, name, read, nats: [], seconds: 0 });

async function lossesOf(
  ids: readonly number[],
  options: { packs?: string[]; scopes: string[] },
): Promise<number[]> {
  await using session = model.createSession(options);
  const { logits } = await session.append(ids, { logits: "all" });
  const width = logits.length / ids.length;
  return Array.from(
    { length: ids.length - 1 },
    (_, at) =>
      -logProbsOf(logits.subarray(at * width, (at + 1) * width), { id: ids[at + 1]!, top: 0 })
        .logProb,
  );
}
const sum = (all: readonly number[]): number => all.reduce((a, b) => a + b, 0);

/** Of the window that is being read; each arm is charged for it. */
let read: { ids: readonly number[]; losses: number[]; seconds: number } | undefined;
async function ownLosses(ids: readonly number[]): Promise<{ losses: number[]; late: number }> {
  if (read?.ids === ids) return { losses: read.losses, late: read.seconds };
  const begun = process.cpuUsage();
  const losses = await lossesOf(ids, asItIs);
  read = { ids, losses, seconds: secondsSince(begun) };
  return { losses, late: 0 };
}
function secondsSince(begun: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / 1e6;
}

add("nothing", "", async (ids) => {
  const { losses, late } = await ownLosses(ids);
  return { nats: sum(losses), late };
});
if (values.pack !== undefined)
  add("background counts", "", async (ids) => ({
    nats: sum(await lossesOf(ids, { scopes: [] })),
    late: 0,
  }));
add("learned counts", "", async (ids) => {
  const losses = await lossesOf(ids, { scopes: ["news"] });
  await model.learn({ ids, scope: "news" });
  return { nats: sum(losses), late: 0 };
});

/** p = (1 - share) p_model + share · softmax(warmth h·h_i) of the ids that followed the states h_i. */
const CACHED = 4000;
function cacheArm(warmth: number, share: number): Arm {
  const states: Float32Array[] = [];
  const next: number[] = [];
  return async (ids) => {
    const { losses, late } = await ownLosses(ids);
    await using session = model.createSession(asItIs);
    const { hidden } = await session.append(ids, { logits: "none" });
    const width = hidden.length / ids.length;
    const rows = losses.map((_, at) => {
      const row = hidden.slice(at * width, (at + 1) * width);
      const norm = Math.hypot(...row);
      return row.map((x) => x / norm);
    });
    let nats = 0;
    for (const [at, loss] of losses.entries()) {
      let [total, right] = [0, 0];
      for (const [i, state] of states.entries()) {
        let dot = 0;
        for (let d = 0; d < width; d++) dot += state[d]! * rows[at]![d]!;
        const weight = Math.exp(warmth * (dot - 1));
        total += weight;
        if (next[i] === ids[at + 1]) right += weight;
      }
      const chance = Math.exp(-loss);
      nats -= Math.log(total === 0 ? chance : (1 - share) * chance + (share * right) / total);
    }
    for (const [at, row] of rows.entries()) {
      states.push(row);
      next.push(ids[at + 1]!);
    }
    states.splice(0, states.length - CACHED);
    next.splice(0, next.length - CACHED);
    return { nats, late };
  };
}
for (const warmth of [10, 30])
  for (const share of [0.05, 0.15])
    add("continuous cache", `warmth ${warmth}, share ${share}`, cacheArm(warmth, share));

function lengthOf(numbers: Float32Array): number {
  let squares = 0;
  for (let i = 0; i < numbers.length; i++) squares += numbers[i]! ** 2;
  return Math.sqrt(squares);
}

/** The step's own loss is of the weights before it. */
async function dynamicArm(rate: number): Promise<Arm> {
  const { counted: _, ...withoutCounts } = config;
  const plain = values.pack === undefined ? config : withoutCounts;
  const specs = paramSpecs(plain);
  const params: Record<string, Value> = {};
  const gradients: Record<string, Value> = {};
  for (const { name, shape, ...rest } of specs) {
    const numbers = numbersByRows(
      { name, shape, ...rest },
      language.params[name]!,
      language.rowBlock,
    );
    params[name] = valueOf(numbers.slice(), shape);
    gradients[io.gradient(name)] = zeros("f32", shape);
  }
  const batch = emptyBatch(1, length);
  const loss = zeros("f32", [1]);
  const own = values.pack === undefined ? language.memory : undefined;
  const memory = memoryInputs(own, batch, plain.numLayers);
  const step = (await backend.compile(trainGraph(plain, { batch: 1, length }))).bind(
    {
      ...params,
      [io.ids]: valueOf(batch.ids, [1, length]),
      [io.labels]: valueOf(batch.labels, [length]),
      [io.segments]: valueOf(batch.segments, [1, length]),
      [io.weights]: valueOf(batch.weights, [length]),
      ...rotaryInputs(plain, length),
      ...memory.inputs,
    },
    { [io.loss]: loss, ...gradients, ...memory.outputs },
  );
  return async (ids) => {
    batch.ids.set(ids);
    batch.segments.fill(1);
    // The last has no weight; a chance of zero would still make it no number.
    batch.labels.set([...ids.slice(1), ids.at(-1)!]);
    batch.weights.fill(1 / (ids.length - 1)).fill(0, ids.length - 1);
    await memory.fill();
    await step.run();
    const all = specs.map(({ name }) => gradients[io.gradient(name)]!.data as Float32Array);
    const norm = Math.hypot(...all.map(lengthOf));
    const factor = rate * Math.min(1, 1 / norm);
    for (const [i, { name }] of specs.entries()) {
      const [weights, gradient] = [params[name]!.data as Float32Array, all[i]!];
      for (let at = 0; at < weights.length; at++) weights[at]! -= factor * gradient[at]!;
    }
    return { nats: (loss.data[0] as number) * (ids.length - 1), late: 0 };
  };
}
for (const rate of [0.03, 0.1, 0.3])
  add("dynamic evaluation", `rate ${rate}`, await dynamicArm(rate));

windows.length = Math.min(windows.length, values.most);
const from = Math.ceil(windows.length / 4);
const chosen = new Map<string, Setting>();
let numBytes: number[] = [];
for (const [n, ids] of windows.entries()) {
  if (n === from)
    for (const setting of settings) {
      const before = chosen.get(setting.arm);
      if (before === undefined || sum(setting.nats) < sum(before.nats))
        chosen.set(setting.arm, setting);
      setting.seconds = 0;
    }
  numBytes.push(Buffer.byteLength(tokenizer.decode(ids.slice(tokenizer.bounds.startIds.length))));
  for (const setting of n < from ? settings : chosen.values()) {
    const begun = process.cpuUsage();
    const { nats, late } = await setting.read(ids);
    setting.nats.push(nats);
    setting.seconds += secondsSince(begun) + late;
  }
  if (numBytes.length % 10 === 0)
    process.stderr.write(`${numBytes.length} of ${windows.length} windows\n`);
}
const BLOCKS = 10;
numBytes = numBytes.slice(from);
const blocksOf = (of: readonly number[]): number[] =>
  Array.from({ length: BLOCKS }, (_, b) =>
    sum(of.slice((b * of.length) / BLOCKS, ((b + 1) * of.length) / BLOCKS)),
  );
const bytes = blocksOf(numBytes);
const base = blocksOf(chosen.get("nothing")!.nats.slice(from));
console.log("arm,setting,bits_per_byte,against_nothing,plus_minus,last_third,processor_s");
for (const { arm, name, nats, seconds } of chosen.values()) {
  const blocks = blocksOf(nats.slice(from));
  const differences = blocks.map((one, b) => (one - base[b]!) / Math.LN2 / bytes[b]!);
  const mean = sum(differences) / BLOCKS;
  const variance = sum(differences.map((one) => (one - mean) ** 2)) / (BLOCKS - 1);
  const half = studentT(BLOCKS - 1) * Math.sqrt(variance / BLOCKS);
  const last = Math.floor((2 * numBytes.length) / 3);
  const late = sum(nats.slice(from + last)) / Math.LN2 / sum(numBytes.slice(last));
  const row = [
    sum(blocks) / Math.LN2 / sum(bytes),
    sum(blocks.map((one, b) => one - base[b]!)) / Math.LN2 / sum(bytes),
    half,
    late,
  ];
  console.log(
    [arm, `"${name}"`, ...row.map((one) => one.toFixed(4)), seconds.toFixed(1)].join(","),
  );
}
const { tokens, texts } = model.taught!.store.learnedSizes(["news"])[0]!;
console.log(
  JSON.stringify({
    windows: from + numBytes.length,
    judged: numBytes.length,
    length,
    texts,
    tokens,
  }),
);
process.exit(0);
