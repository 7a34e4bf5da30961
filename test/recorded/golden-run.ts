/**
 * One small run of everything that makes numbers: training with its tables in RAM, on disk and without, then texts by
 * sessions and batches from weights and rows in every format. Everything is seeded, so two runs on one machine differ
 * only if the code computes otherwise: what a refactoring must not. Losses are told in full, arrays as SHA-256.
 * (`scripts/golden-run.ts` prints it; `golden-run.test.ts` compares a part of it with what was recorded.)
 */
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Backend, loadModel, type Model } from "../../src/index.ts";
import { type Preset, trainModel } from "../../src/index-training.ts";
import {
  BatchDecoder,
  createSampler,
  Decoder,
  generate,
  Scorer,
} from "../../src/inference/index.ts";
import { ablated, type RowFormatName } from "../../src/memory/index.ts";
import type { WeightDtype } from "../../src/model/index.ts";
import { openOriginal, writeInFormats } from "../../src/quantize-model.ts";
import { packDocuments } from "../../src/training/index.ts";
import { miniPreset } from "../models/mini-preset.ts";

const text = new URL("../../assets/tinyshakespeare.txt", import.meta.url);
const preset: Preset = {
  ...miniPreset,
  model: { ...miniPreset.model, engramKernelSize: 3 },
  memory: {
    ...miniPreset.memory,
    layerIds: [0, 1],
    maxNgramSize: 4,
    minBucketRows: [300, 500, 700],
  },
  training: { ...miniPreset.training, batch: 2, warmupSteps: 2 },
};
/** Weights and rows, as they are quantised to. */
const formats: readonly (readonly [WeightDtype, RowFormatName])[] = [
  ["f32", "f32"],
  ["f32", "bf16"],
  ["f32", "fp8"],
  ["q8", "int8"],
  ["q4", "int4"],
];

export interface GoldenRunOptions {
  readonly backend: Backend;
  readonly steps: number;
  /** Tokens of each text. */
  readonly length: number;
  /** Told what comes next. */
  readonly say?: (text: string) => void;
}

/** JSON: equal for equal code on the same machine. */
export async function goldenRun({
  backend,
  steps,
  length,
  say = () => undefined,
}: GoldenRunOptions): Promise<object> {
  const root = await mkdtemp(join(tmpdir(), "engram-golden-"));
  try {
    const parts = (await readFile(text, "utf8")).slice(0, 40_000).split("\n\n");
    const valid = parts.splice(-6);
    const data = join(root, "train.jsonl");
    await writeFile(data, parts.map((part) => JSON.stringify({ text: part })).join("\n"));
    await writeFile(
      join(root, "valid.jsonl"),
      valid.map((part) => JSON.stringify({ text: part })).join("\n"),
    );
    const train = async (name: string, options: object): Promise<object> => {
      say(`training ${name}`);
      return trained({ root, name, backend, steps, options });
    };
    const training = {
      inRam: await train("in-ram", {}),
      outOfCore: await train("out-of-core", { tableMemory: 2 ** 20 }),
      withoutMemory: await train("without-memory", { memory: false }),
    };
    const models: Record<string, object> = {};
    for (const [weights, rows] of formats) {
      const name = `${weights}-${rows}`;
      say(`texts of ${name}`);
      {
        await using original = await openOriginal(join(root, "in-ram"), { backend });
        const out = join(root, name);
        await writeInFormats(original, { out, formats: { weights, rows }, certificate: {} });
      }
      await using model = await loadModel(join(root, name), { backend });
      models[name] = await texts(model, { length, documents: valid });
      if (rows !== "int8") continue;
      const options = { backend, tableMemory: 2 ** 16, warm: false };
      await using behindCaches = await loadModel(join(root, name), options);
      models[`${name}, rows on disk`] = await texts(behindCaches, { length, documents: valid });
    }
    await using plain = await loadModel(join(root, "without-memory"), { backend });
    models["without-memory"] = await texts(plain, { length, documents: valid });
    return { training, models };
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

async function trained({
  root,
  name,
  backend,
  steps,
  options,
}: {
  root: string;
  name: string;
  backend: Backend;
  steps: number;
  options: object;
}): Promise<object> {
  const losses: number[] = [];
  const gradientNorms: number[] = [];
  const out = join(root, name);
  const { bitsPerByte, bitsPerByteWithoutMemory } = await trainModel({
    data: [join(root, "train.jsonl")],
    valid: [join(root, "valid.jsonl")],
    preset,
    out,
    backend,
    seed: 5,
    overrides: { steps },
    ...options,
    onEvent: (event) => {
      if (event.type !== "step") return;
      losses.push(event.report.loss);
      gradientNorms.push(event.report.gradientNorm);
    },
  });
  await using model = await loadModel(out, { backend });
  const weights = new Digest();
  for (const key of Object.keys(model.language.params).toSorted())
    weights.add(model.language.params[key]!.data as Float32Array);
  const rows = new Digest();
  for (const { store } of model.rows?.tables ?? []) {
    const bytes = new Uint8Array(store.numRows * store.rowBytes);
    await store.read(
      Uint32Array.from({ length: store.numRows }, (_, row) => row),
      bytes,
    );
    rows.add(bytes);
  }
  return {
    losses,
    gradientNorms,
    bitsPerByte,
    bitsPerByteWithoutMemory,
    weights: weights.hex,
    rows: rows.hex,
  };
}

const sampled = { temperature: 0.9, topK: 40, topP: 0.95, minP: 0.02, repetitionPenalty: 1.1 };

async function texts(
  model: Model,
  { length, documents }: { length: number; documents: readonly string[] },
): Promise<object> {
  const end = model.tokenizer.eosTokenId!;
  const idsOf = async (part: string): Promise<number[]> => [
    end,
    ...(await model.tokenizer.encode(part)),
  ];
  const first = await idsOf("First Citizen:");
  const prompts = {
    one: first,
    "two documents": [...(await idsOf("No")), ...(await idsOf("King"))].slice(0, 10),
  };
  const sessions: Record<string, object> = {};
  for (const [name, prompt] of Object.entries(prompts)) {
    sessions[`${name}, greedy`] = await alone(model, { prompt, length, temperature: 0 });
    sessions[`${name}, sampled`] = await alone(model, { prompt, length, ...sampled, seed: 3 });
  }
  const memory = model.rows;
  if (memory !== undefined) {
    const without = { view: { memory: ablated(memory, { orders: [3] }) } };
    const given = { prompt: first, length, temperature: 0 };
    sessions["half the memory"] = await alone(model, {
      ...given,
      session: { view: { scale: 0.5 } },
    });
    sessions["two orders of three"] = await alone(model, { ...given, session: without });
    sessions["memory off"] = await alone(model, { ...given, session: { memory: false } });
  }
  const stream = await packDocuments(
    documents.slice(0, 4).map((part) => ({ text: part.slice(0, 200) })),
    model.tokenizer,
  );
  const scorer = await Scorer.create(model.languageModel(), { batch: 2 });
  const { nats, numTokens } = await scorer.score(stream);
  await scorer.dispose();
  return {
    score: { nats, numTokens },
    sessions,
    batch: await together(model, { prompts: Object.values(prompts), length }),
    branches: await branches(model, first),
  };
}

/** One text by a session of its own. */
async function alone(
  model: Model,
  {
    prompt,
    length,
    session: options = {},
    ...sampling
  }: {
    prompt: readonly number[];
    length: number;
    session?: NonNullable<Parameters<Model["createSession"]>[0]>;
    seed?: number;
    temperature: number;
  },
): Promise<object> {
  await using session = model.createSession(options);
  const digest = new Digest();
  const append = session.append.bind(session);
  session.append = async (some, want) => {
    const reading = await append(some, want);
    digest.add(reading.logits);
    for (const gates of reading.gates.values()) digest.add(gates);
    for (const rows of reading.rows.values()) digest.add(rows);
    return reading;
  };
  const sampler = createSampler(sampling);
  const ids: number[] = [];
  for await (const id of generate(session, prompt, { sampler, maxTokens: length })) ids.push(id);
  return { ids, sha256: digest.hex };
}

/** Three slots, one of them idle; a document begins in one of the texts on the way. */
async function together(
  model: Model,
  { prompts, length }: { prompts: readonly (readonly number[])[]; length: number },
): Promise<object> {
  const decoder = new Decoder(model.languageModel());
  const batch = new BatchDecoder(decoder, { slots: 4 });
  const slots = [0, 2];
  const choose = [createSampler({ temperature: 0 }), createSampler({ ...sampled, seed: 9 })];
  const digest = new Digest();
  const ids: number[][] = [];
  for (const [i, slot] of slots.entries()) {
    const session = batch.sessions[slot]!;
    const { logits } = await session.append(prompts[i]!);
    ids.push([choose[i]!(logits, session.ids)]);
  }
  for (let t = 1; t < length; t++) {
    if (t === 4) ids[0]!.push(model.tokenizer.eosTokenId!);
    const results = await batch.step(slots.map((slot, i) => ({ slot, id: ids[i]!.at(-1)! })));
    for (const [i, { logits, gates, rows }] of results.entries()) {
      digest.add(logits);
      for (const one of gates.values()) digest.add(one);
      for (const some of rows.values()) digest.add(some);
      ids[i]!.push(choose[i]!(logits, batch.sessions[slots[i]!]!.ids));
    }
  }
  await batch.dispose();
  await decoder.dispose();
  return { ids, sha256: digest.hex };
}

/** Rewinds and forks of one text. */
async function branches(model: Model, ids: readonly number[]): Promise<string> {
  await using session = model.createSession();
  const digest = new Digest();
  digest.add((await session.append([...ids, ...ids], { logits: "all" })).logits);
  session.rewind(3);
  await using fork = session.fork();
  digest.add((await fork.append(ids.slice(2, 5))).logits);
  digest.add((await session.append(ids.slice(1, 6), { logits: "none" })).hidden);
  return digest.hex;
}

class Digest {
  readonly #hash = createHash("sha256");

  add({ buffer, byteOffset, byteLength }: Float32Array | Uint32Array | Uint8Array): void {
    this.#hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  }

  get hex(): string {
    return this.#hash.digest("hex");
  }
}
