/**
 * Fine-tuning as a way to write one fact, in the time that a vector or a taught wording takes: the baseline of
 * `fact-vectors.ts`, with its questions and its facts (the first of CounterFact's whose subject does not come in the
 * neighbouring prompt).
 *
 *   node bench/fact-tuning.ts --model DIR|FILE.gguf --data counterfact-val.json [--facts 12] [--seconds 4.7]
 *       [--rates 1e-4,1e-3] [--threads 1]
 *
 * For each fact alone, from the model's own weights, unpacked: AdamW without decay on the completion after the prompt, and
 * after the prompt behind another sentence, until the mean of both says it with a chance of 0.9, or until so many seconds of
 * the processor are used (a step that has begun is finished). Trained are all weights with the first rate, or the last matrix of
 * the MLP after a quarter of the layers with the second (fine-tuning of one layer, as in ROME, arXiv 2202.05262, without its
 * bound). Memory, if the model has one, is off. Compiling is outside the timing window.
 */
import { needed, readOptions } from "./setup/command-line.ts";
import { Decoder, emptyBatch, withoutMemory } from "../src/inference/index.ts";
import { loadModel, ortBackend } from "../src/index.ts";
import {
  dequantizeMatrix,
  io,
  layerName,
  numbersByRows,
  paramSpecs,
  rotaryInputs,
  trainGraph,
} from "../src/model/index.ts";
import { type Binding, type Value, valueOf, zeros } from "../src/tensor/index.ts";
import { adamW } from "../src/training/index.ts";
import { readCounterFact } from "./setup/counterfact.ts";
import { type EditFigures, editFigures, plainOf, printFigures } from "./setup/edit-figures.ts";

const values = readOptions({
  model: needed,
  data: needed,
  facts: 12,
  seconds: 4.7,
  rates: "1e-4,1e-3",
  threads: 1,
});
const backend = ortBackend({ threads: values.threads });
await using opened = await loadModel(values.model, { backend });
const { tokenizer } = opened;
const packed = withoutMemory(opened.language);
const { config } = packed;
const specs = paramSpecs(config);
const own = new Map(
  specs.map((spec) => {
    const matrix = packed.quantized?.get(spec.name);
    const value = matrix === undefined ? packed.params[spec.name]! : dequantizeMatrix(matrix);
    return [spec.name, numbersByRows(spec, value, packed.rowBlock)];
  }),
);

const items = readCounterFact(values.data)
  .filter(
    ({ prompt, rephrase_prompt: other, subject, locality_prompt: near }) =>
      prompt.includes(subject) && other.includes(subject) && !near.includes(subject),
  )
  .slice(0, values.facts);
const median = (of: readonly number[]): number => of.toSorted((a, b) => a - b)[of.length >> 1]!;

const figures = new Map<string, EditFigures[]>();
const [allRate, oneRate] = values.rates.split(",").map(Number) as [number, number];
const one = layerName(Math.floor(config.numLayers / 4), "mlp.down_proj.weight");
for (const [arm, names, rate] of [
  ["all weights", specs.map(({ name }) => name), allRate],
  ["one matrix", [one], oneRate],
] as const) {
  const trained = specs.filter(({ name }) => names.includes(name));
  const size = trained.reduce((sum, { name }) => sum + own.get(name)!.length, 0);
  const flat = (): Float32Array => new Float32Array(size);
  const arrays = { params: flat(), gradients: flat(), m: flat(), v: flat() };
  const params: Record<string, Value> = {};
  const gradients: Record<string, Value> = {};
  for (const { name, shape } of specs) params[name] = valueOf(own.get(name)!, shape);
  let at = 0;
  for (const { name, shape } of trained) {
    const end = at + own.get(name)!.length;
    params[name] = valueOf(arrays.params.subarray(at, end), shape);
    gradients[io.gradient(name)] = valueOf(arrays.gradients.subarray(at, end), shape);
    at = end;
  }
  const restore = (): void => {
    let from = 0;
    for (const { name } of trained) {
      arrays.params.set(own.get(name)!, from);
      from += own.get(name)!.length;
    }
    arrays.m.fill(0);
    arrays.v.fill(0);
  };
  const optimizer = await adamW(backend, arrays, { range: [0, size], decay: 0 });
  const steps = new Map<
    number,
    Promise<{ binding: Binding; batch: ReturnType<typeof emptyBatch> }>
  >();
  const loss = zeros("f32", [1]);
  const stepOf = (length: number) => {
    const known = steps.get(length);
    if (known !== undefined) return known;
    const make = async () => {
      const batch = emptyBatch(2, length);
      const graph = trainGraph(config, { batch: 2, length }, trained);
      const inputs = {
        ...params,
        [io.ids]: valueOf(batch.ids, [2, length]),
        [io.labels]: valueOf(batch.labels, [2 * length]),
        [io.segments]: valueOf(batch.segments, [2, length]),
        [io.weights]: valueOf(batch.weights, [2 * length]),
        ...rotaryInputs(config, length),
      };
      const binding = (await backend.compile(graph)).bind(inputs, {
        [io.loss]: loss,
        ...gradients,
      });
      return { binding, batch };
    };
    const made = make();
    steps.set(length, made);
    return made;
  };

  const model = { ...packed, quantized: undefined, rowBlock: undefined, params };
  await using decoder = new Decoder(model, { capacity: Math.min(256, config.maxPositions) });
  await using session = decoder.createSession();
  const seconds: number[] = [];
  const taken: number[] = [];
  let arrived = 0;
  for (const item of items) {
    restore();
    const plain = await plainOf({ item, session, tokenizer });
    if (arm === "all weights") {
      const untouched = await editFigures({ item, session, tokenizer }, { plain });
      figures.set("nothing", [...(figures.get("nothing") ?? []), untouched]);
    }
    const completion = Array.from(await tokenizer.encode(` ${item.target_new}`));
    const texts = await Promise.all(
      ["", "The weather was fine that day. "].map(async (before) => [
        ...tokenizer.bounds.startIds,
        ...(await tokenizer.encode(before + item.prompt)),
        ...completion,
      ]),
    );
    const length = 8 * Math.ceil(Math.max(...texts.map((ids) => ids.length)) / 8);
    const { binding, batch } = await stepOf(length);
    batch.ids.fill(0);
    batch.weights.fill(0);
    for (const [row, ids] of texts.entries()) {
      batch.ids.set(ids, row * length);
      batch.labels.set(ids.slice(1), row * length);
      const end = row * length + ids.length - 1;
      batch.weights.fill(1 / (2 * completion.length), end - completion.length, end);
    }
    const used = (): number => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    };
    const begun = used();
    let step = 0;
    for (; ; step++) {
      await binding.run();
      if (Math.exp(-(loss.data[0] as number) * completion.length) >= 0.9) {
        arrived++;
        break;
      }
      if (used() - begun >= values.seconds) break;
      await optimizer.update({ step, lr: rate, clip: 1 });
    }
    seconds.push(used() - begun);
    taken.push(step);
    const found = await editFigures({ item, session, tokenizer }, { plain });
    figures.set(arm, [...(figures.get(arm) ?? []), found]);
    process.stderr.write(`${arm}: ${seconds.length} of ${items.length}\n`);
  }
  await optimizer.dispose();
  for (const made of steps.values()) (await made).binding.dispose();
  console.log(
    `${arm}, rate ${rate}: ${arrived} of ${items.length} arrived; steps ${median(taken)}, ` +
      `processor ${median(seconds).toFixed(2)} s (medians)`,
  );
}
printFigures(figures);
process.exit(0);
