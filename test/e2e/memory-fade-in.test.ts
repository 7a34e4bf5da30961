/** Sequences that are trained with the memory off: nothing of it reaches them, and they move no row. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { InvalidConfigError, loadModel, ortBackend } from "../../src/index.ts";
import { type Preset, trainModel } from "../../src/index-training.ts";
import { Decoder } from "../../src/inference/index.ts";
import { RamStore, rowFormat } from "../../src/memory/index.ts";
import { Trainer, WindowOrder } from "../../src/training/index.ts";
import { toBeClose } from "../conformance/close.ts";
import { miniPreset } from "../models/mini-preset.ts";
import { smallConfig } from "../models/random-model.ts";
import { trainableModel } from "../models/trainable-model.ts";

const sample = new URL("../../assets/tinyshakespeare.txt", import.meta.url);
const backend = ortBackend({ threads: 1 });

let directory = "";
let data = "";

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "engram-fade-"));
  data = join(directory, "text.txt");
  await writeFile(data, (await readFile(sample, "utf8")).slice(0, 60_000));
});
after(async () => {
  await rm(directory, { recursive: true, force: true });
  await backend.dispose();
});

async function losses(
  name: string,
  { memory, ...recipe }: { memory: boolean } & Partial<Preset["training"]>,
): Promise<number[]> {
  const found: number[] = [];
  await trainModel({
    data: [data],
    preset: { ...miniPreset, training: { ...miniPreset.training, steps: 8, ...recipe } },
    out: join(directory, name),
    backend,
    memory,
    onEvent: (event) => event.type === "step" && found.push(event.report.loss),
  });
  return found;
}

test("a memory that never fades in trains the backbone that has none, and stays empty", async () => {
  // A fade-in without end: every sequence of every step is trained with the memory off.
  const never = await losses("never", { memory: true, memoryFadeIn: Number.MAX_VALUE });
  assert.deepEqual(never, await losses("without", { memory: false }));
  await using model = await loadModel(join(directory, "never"), { backend });
  const text = "Before we proceed";
  const logProbs = async (memory: boolean): Promise<Float32Array> => {
    const session = model.createSession({ memory });
    return (await session.append([...(await model.tokenizer.encode(text))])).logits.slice();
  };
  assert.deepEqual(await logProbs(true), await logProbs(false));
});

test("one that is there from the first step does not", async () => {
  const now = await losses("now", { memory: true, memoryFadeIn: 0 });
  const without = await losses("without-2", { memory: false });
  assert.equal(now[0], without[0], "tables start at zero");
  assert.notDeepEqual(now, without);
});

test("rows that are read in folds train another model, and not with a table on disk", async () => {
  const folded = await losses("folded", { memory: true, memoryFadeIn: 0, rowFolds: 3 });
  const plain = await losses("plain", { memory: true, memoryFadeIn: 0 });
  assert.equal(folded[0], plain[0], "tables start at zero");
  assert.notDeepEqual(folded, plain);
  const training = { ...miniPreset.training, steps: 8, rowFolds: 3 };
  const countsAlone = {
    memory: { ...miniPreset.memory, layerIds: [] },
    counted: { ...miniPreset.counted, order: 3 },
  };
  for (const [changed, problem] of [
    [{ training }, /rowFolds/],
    [countsAlone, /counts alone/],
  ] as const) {
    const options = { data: [data], preset: { ...miniPreset, ...changed }, backend };
    await assert.rejects(
      trainModel({ ...options, tableMemory: 2 ** 20, out: join(directory, "folded-2") }),
      (error: unknown) => error instanceof InvalidConfigError && problem.test(error.message),
    );
  }
});

test("reported gates are those of the sequences whose memory is on, and none where it is on in none", async () => {
  const { model, state, stream } = await trainableModel(backend, {
    ...smallConfig,
    documentStart: 6,
  });
  const length = 32;
  const recipe = { ...miniPreset.training, length, lr: 0, batch: 3, accumulate: 2 };
  const order = new WindowOrder(stream, { length, seed: 4 });
  const decoder = new Decoder(model);
  /** Mean gates that a session finds in the windows of a step. */
  const gatesAt = async (step: number): Promise<number[]> => {
    const means: number[] = [];
    for (let row = 0; row < 6; row++) {
      const start = order.start(6 * step + row);
      await using session = decoder.createSession();
      const reading = await session.append(stream.tokens.slice(start, start + length));
      const gates = reading.gates.get(1)!;
      means.push(gates.reduce((sum, gate) => sum + gate, 0) / gates.length);
    }
    return means;
  };
  const run = async (memoryFadeIn: number, step: number): Promise<number | undefined> => {
    state.step = step;
    const options = { recipe: { ...recipe, memoryFadeIn }, stream, seed: 4 };
    const trainer = await Trainer.create(model, state, options);
    const { gates } = await trainer.step();
    await trainer.dispose();
    return gates["1"];
  };
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const all = await gatesAt(0);
  toBeClose([(await run(0, 0))!], [mean(all)], { rtol: 1e-4 });
  assert.equal(await run(Number.MAX_VALUE, 0), undefined);
  // A third of the way through a fade-in over all steps, some sequences are off: the mean is that of some others.
  const step = Math.round(recipe.steps / 3);
  const [found, gates] = [(await run(1, step))!, await gatesAt(step)];
  const parts = Array.from({ length: 62 }, (_, i) =>
    gates.filter((__, row) => ((i + 1) >> row) & 1),
  );
  assert.ok(
    parts.some((part) => Math.abs(mean(part) - found) < 1e-5),
    `${found} is no mean of some of ${gates.join(", ")}`,
  );
  await decoder.dispose();
});

test("tables begin with the rows they are given, and stay so where rows do not learn", async () => {
  await using origin = await loadModel(join(directory, "never"), { backend });
  const noise = Float32Array.from({ length: 8 }, (_, i) => i - 3.5);
  const given = origin.rows!.withTables((table) => {
    const store = new RamStore({ numRows: table.store.numRows, rowBytes: 32 });
    for (let row = 0; row < store.numRows; row++)
      store.writeSync(Uint32Array.of(row), new Uint8Array(noise.map((x) => x * (row + 1)).buffer));
    return { ...table, store, format: rowFormat("f32", 8) };
  }).tables;
  const training = { ...miniPreset.training, steps: 3, tableLrFactor: 0, memoryFadeIn: 0 };
  const options = { data: [data], preset: { ...miniPreset, training }, backend };
  await trainModel({ ...options, out: join(directory, "frozen"), startTables: given });
  await using frozen = await loadModel(join(directory, "frozen"), { backend });
  const { numRows } = given[0]!.store;
  const rows = Uint32Array.from({ length: numRows }, (_, row) => row);
  const [begun, ended] = [new Uint8Array(32 * numRows), new Uint8Array(32 * numRows)];
  await given[0]!.store.read(rows, begun);
  await frozen.rows!.tables[0]!.store.read(rows, ended);
  assert.deepEqual(ended, begun);
  // Each fold's table begins with them, too: where no row learns, folds change nothing.
  const inFolds = { ...options.preset, training: { ...training, rowFolds: 3 } };
  const out = join(directory, "frozen-folds");
  await trainModel({ ...options, preset: inFolds, out, startTables: given });
  const weightsIn = (name: string): Promise<Buffer> =>
    readFile(join(directory, name, "model.safetensors"));
  assert.ok((await weightsIn("frozen-folds")).equals(await weightsIn("frozen")));
  const record = JSON.parse(await readFile(join(directory, "frozen", "run.json"), "utf8"));
  assert.equal(record.startRows, true, "the run's record says that zeros do not make it again");
  const wrong = trainModel({
    ...options,
    out: join(directory, "x"),
    memory: false,
    startTables: given,
  });
  await assert.rejects(wrong, /tables to begin with are layer 1: .* the model's are none/);
});
