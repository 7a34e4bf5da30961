/**
 * What low-rank adapters gain where a memory of as many bytes was trained: the same backbone, the same text, frozen but
 * for adapters on the queries, the values and the three matrices of the MLP of every layer (arXiv 2106.09685).
 *
 *   node bench/lora.ts MODEL TEXT [--bytes 3817472 | --rank 8] [--steps 400] [--lr 1e-3] [--seed 0] [--threads 1]
 *       [--batch 16] [--seconds S] [--held FILE,FILE] [--tokens N]
 *
 * MODEL is a directory or a GGUF file, read as f32; a memory of its own is read, and stays as it is. --held are texts to score in
 * place of the last tenth of TEXT, which is then learned whole; about --tokens of each. --seconds ends training after so many of
 * the processor; the learning rate falls with them then.
 * --bytes chooses the rank whose adapters, in f32, take at most so many. Prints bits a byte of the held-out part before
 * and after, and the processor's seconds of all steps, for a memory trained with `engram train --from MODEL --train memory`
 * for as long. A matrix with its adapter is W + 2 B A, with A [rank, in] drawn and B [out, rank] zero; their gradients are
 * those of the matrix times the other factor, exactly, so the product's training graph is used as it is.
 */
import { needed, readWords } from "./setup/command-line.ts";
import { basename } from "node:path";
import { emptyBatch, Scorer, type TokenStream } from "../src/inference/index.ts";
import { loadModel } from "../src/load-model.ts";
import {
  io,
  numbersByRows,
  type ParamSpec,
  paramSpecs,
  rotaryInputs,
  trainGraph,
} from "../src/model/index.ts";
import { Random } from "../src/numerics/index.ts";
import { ortBackend } from "../src/tensor/backends/onnx/node/index.ts";
import { GraphBuilder, type Value, valueOf, zeros } from "../src/tensor/index.ts";
import {
  adamW,
  fillBatch,
  globalNorm,
  learningRate,
  packDocuments,
  recipeToGoOn,
  WindowOrder,
} from "../src/training/index.ts";
import { readAll, readPart } from "../src/training/node/index.ts";
import { memoryInputs } from "./setup/memory-inputs.ts";

const values = readWords(
  { directory: needed, text: needed },
  {
    bytes: undefined,
    rank: undefined,
    steps: 400,
    lr: 1e-3,
    seed: 0,
    threads: 1,
    batch: 16,
    seconds: 1e9,
    held: undefined,
    tokens: undefined,
  },
);
const { directory, text, steps, lr: peak, seed } = values;
const backend = ortBackend({ threads: values.threads });
await using opened = await loadModel(directory, { backend, dtype: "f32" });
const { tokenizer, config, language: loaded } = opened;
const numbers = paramSpecs(loaded.config).map((spec) => {
  const data = numbersByRows(spec, loaded.params[spec.name]!, loaded.rowBlock);
  return [spec.name, valueOf(data, spec.shape)] as const;
});
const model = { ...loaded, rowBlock: undefined, params: Object.fromEntries(numbers) };
const recipe = { ...recipeToGoOn("memory", config), weightDecay: 0 };
const { length } = recipe;
const rows = values.batch;
const others = values.held?.split(",");
const stream = await packDocuments(others ? readAll([text]) : readPart([text], "train"), tokenizer);
const held = new Map<string, TokenStream>();
for (const file of others ?? [])
  held.set(basename(file), await packDocuments(readAll([file]), tokenizer));
if (others === undefined) held.set("", await packDocuments(readPart([text], "valid"), tokenizer));

const adapted = paramSpecs(config).filter(({ name }) =>
  /\.(?:q_proj|v_proj|gate_proj|up_proj|down_proj)\.weight$/.test(name),
) as (ParamSpec & { readonly shape: readonly [number, number] })[];
const perRank = adapted.reduce((n, { shape: [out, width] }) => n + out + width, 0);
const rank = Number(values.rank ?? Math.floor(Number(values.bytes ?? 3_817_472) / 4 / perRank));

/** All adapters one after the other, A before B. */
const arrays = {
  params: new Float32Array(rank * perRank),
  gradients: new Float32Array(rank * perRank),
  m: new Float32Array(rank * perRank),
  v: new Float32Array(rank * perRank),
};
const params: Record<string, Value> = { ...model.params };
const gradients: Record<string, Value> = {};
let place = 0;
const adapters = await Promise.all(
  adapted.map(async ({ name, shape: [out, width] }) => {
    const [a, b] = [place, place + rank * width];
    place = b + rank * out;
    Random.fromSeed(seed, name).fillNormal(arrays.params.subarray(a, b), 1 / Math.sqrt(width));
    const whole = valueOf(model.params[name]!.data.slice(), [out, width]);
    params[name] = whole;
    gradients[io.gradient(name)] = zeros("f32", [out, width]);
    const view = (data: Float32Array, at: number, shape: [number, number]): Value =>
      valueOf(data.subarray(at, at + shape[0] * shape[1]), shape);
    const g = new GraphBuilder();
    const input = (of: string, shape: number[]) => g.input(of, "f32", shape);
    const [A, B] = [input("a", [rank, width]), input("b", [out, rank])];
    const [base, dW] = [input("base", [out, width]), input("dW", [out, width])];
    const half = g.mul(dW, 2);
    const back = await backend.compile(
      g.build(
        { dA: g.matmul(B, half, { transA: true }), dB: g.matmul(half, A, { transB: true }) },
        { inputs: "needed" },
      ),
    );
    const merge = await backend.compile(
      g.build({ whole: g.add(base, g.mul(g.matmul(B, A), 2)) }, { inputs: "needed" }),
    );
    const factors = {
      a: view(arrays.params, a, [rank, width]),
      b: view(arrays.params, b, [out, rank]),
    };
    return {
      back: back.bind(
        { ...factors, dW: gradients[io.gradient(name)]! },
        {
          dA: view(arrays.gradients, a, [rank, width]),
          dB: view(arrays.gradients, b, [out, rank]),
        },
      ),
      merge: merge.bind({ ...factors, base: model.params[name]! }, { whole }),
    };
  }),
);

const batch = emptyBatch(rows, length);
const memory = memoryInputs(model.memory, batch, config.numLayers);
const loss = zeros("f32", [1]);
const executable = await backend.compile(trainGraph(config, { batch: rows, length }, adapted));
const step = executable.bind(
  {
    ...params,
    [io.ids]: valueOf(batch.ids, [rows, length]),
    [io.labels]: valueOf(batch.labels, [rows * length]),
    [io.segments]: valueOf(batch.segments, [rows, length]),
    [io.weights]: valueOf(batch.weights, [rows * length]),
    ...rotaryInputs(config, length),
    ...memory.inputs,
  },
  { [io.loss]: loss, ...gradients, ...memory.outputs },
);
const optimizer = await adamW(backend, arrays, { range: [0, rank * perRank], decay: 0 });

async function bitsPerByte(): Promise<string> {
  const figures: string[] = [];
  for (const [name, part] of held) {
    // As `packs.ts` reads; a last tenth as it always was here.
    const whole = Math.min(512, config.maxPositions);
    const scored = others === undefined ? { length } : { batch: 1, length: whole };
    await using scorer = await Scorer.create({ ...model, params }, scored);
    const maxTokens = values.tokens === undefined ? undefined : Number(values.tokens);
    const { nats, numTokens } = await scorer.score(
      part,
      others && { stride: whole, ...(maxTokens && { maxTokens }) },
    );
    const bytes = (part.numBytes * numTokens) / (part.tokens.length - part.starts.length);
    figures.push(`${name} ${(nats / Math.LN2 / bytes).toFixed(4)}`.trim());
  }
  return figures.join(", ");
}

console.log(`rank ${rank}, ${4 * rank * perRank} bytes in f32; before: ${await bitsPerByte()}`);
const order = new WindowOrder(stream, { length, seed });
const begun = process.cpuUsage();
const used = (): number => {
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / 1e6;
};
let at = 0;
for (; at < steps && used() < values.seconds; at++) {
  fillBatch(stream, order, { index: at * rows, batch });
  await memory.fill();
  await step.run();
  for (const { back } of adapters) await back.run();
  // As far on as its steps are, or its seconds.
  const done = Math.max(at, Math.floor((used() / values.seconds) * steps));
  const lr = learningRate(
    { peak, warmupSteps: Math.ceil(0.075 * steps), totalSteps: steps },
    Math.min(steps - 1, done),
  );
  await optimizer.update({
    step: at,
    lr,
    clip: Math.min(1, recipe.clip / globalNorm(arrays.gradients)),
  });
  for (const { merge } of adapters) await merge.run();
}
console.log(
  `${at} steps of ${rows * length} tokens, lr ${peak}: ${used().toFixed(0)} s of the processor; ` +
    `last loss ${(loss.data[0] as number).toFixed(3)}; after: ${await bitsPerByte()}`,
);
await optimizer.dispose();
process.exit(0);
