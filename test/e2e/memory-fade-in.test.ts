/** Sequences that are trained with the memory off: nothing of it reaches them, and they move no row. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { loadModel, ortBackend, type Preset, trainModel } from "../../src/index.ts";
import { miniPreset } from "../models/mini-preset.ts";

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
    return (await session.append([...model.tokenizer.encode(text)])).slice();
  };
  assert.deepEqual(await logProbs(true), await logProbs(false));
});

test("one that is there from the first step does not", async () => {
  const now = await losses("now", { memory: true, memoryFadeIn: 0 });
  const without = await losses("without-2", { memory: false });
  assert.equal(now[0], without[0], "tables start at zero");
  assert.notDeepEqual(now, without);
});
