/** Vectors that a memory adds to the stream: the model that was cut there by hand, however a text is read. */
import assert from "node:assert/strict";
import test, { describe } from "node:test";
import { toBeClose } from "../../test/conformance/close.ts";
import {
  packableConfig,
  packedModel,
  randomModel,
  smallConfig,
} from "../../test/models/random-model.ts";
import { streamWrites } from "../../test/models/stream-writes.ts";
import type { Memory } from "../memory/memory.ts";
import { blockOf, decodeGraph, io, type ModelConfig, writePositions } from "../model/index.ts";
import { ortBackend } from "../tensor/backends/onnx/node/index.ts";
import { type Backend, referenceBackend, runOnce, type Value, zeros } from "../tensor/index.ts";
import { BatchDecoder, Decoder, type LanguageModel, Scorer } from "./index.ts";
import { inputsOf } from "./language-model.ts";

const text = [0, 7, 3, 3, 38, 12, 7, 3, 21, 5, 5, 5, 9, 30, 2, 17, 7, 3];
const other = [0, 4, 4, 9, 30, 11, 1];

/** Adds a vector of its own before layers 1 and `numLayers`, wherever `key` ends. */
function taught({ memory, config }: LanguageModel, key: readonly number[]): Memory {
  const vectors = [1, config.numLayers].map((layerId) => ({
    keys: [key],
    layerId,
    vector: Float32Array.from({ length: config.hiddenSize }, (_, i) => Math.sin(i + layerId) * 2),
  }));
  return streamWrites(memory, vectors);
}

/** Logits [T,V], each layer a graph of its own, and what is written added between them. */
async function byHand(model: LanguageModel, memory: Memory): Promise<Float32Array> {
  const { config, params, quantized, backend } = model;
  const shape = { batch: 1, length: text.length, capacity: text.length, quantized };
  const reader = memory.reader();
  const at = reader.address([{ ids: text, from: 0, to: text.length }]);
  const given: Record<string, Value> = {};
  for (const { layerId, width } of memory.inputs)
    given[io.memory(layerId)] = zeros("f32", [text.length, width]);
  const vectors = memory.inputs.map(
    ({ layerId }) => [layerId, given[io.memory(layerId)]!.data as Float32Array] as const,
  );
  await reader.lookUp(at, new Map(vectors)).all();
  // One more layer than there are, so that the final norm can be cut off, too: it has its own graph.
  for (let layer = 0; layer < config.numLayers; layer++) {
    const part = { from: layer, to: layer + 1 };
    const isLast = layer === config.numLayers - 1;
    const graph = decodeGraph(config, {
      ...shape,
      part,
      logits: "all",
      ...(isLast && { overlays: [config.numLayers] }),
    });
    const inputs: Record<string, Value> = { ...inputsOf(graph, params), ...inputsOf(graph, given) };
    for (const [name, { dtype, shape: of }] of graph.inputs) inputs[name] ??= zeros(dtype, of);
    inputs[io.ids]?.data.set(text);
    const hasPositions = inputs[io.cos] !== undefined || inputs[io.positions] !== undefined;
    if (hasPositions) writePositions(config, inputs, { row: 0, start: 0, length: text.length });
    for (const { position, layerId, vector } of at.writes!)
      if (isLast && layerId === config.numLayers)
        (inputs[io.overlay(layerId)]!.data as Float32Array).set(vector, position * vector.length);
    const outputs = await runOnce(backend, graph, inputs);
    if (isLast) return outputs[io.logits]!.data as Float32Array;
    const stream = outputs[io.stream(layer + 1)]!;
    for (const { position, layerId, vector } of at.writes!)
      if (layerId === layer + 1)
        for (const [i, x] of vector.entries()) stream.data[position * vector.length + i]! += x;
    given[io.stream(layer + 1)] = stream;
  }
  throw new Error("no layers");
}

const gpt2: ModelConfig = {
  ...smallConfig,
  block: {
    ...blockOf(smallConfig),
    norm: "layer",
    attentionBias: "all",
    hasQkNorm: false,
    mlp: "geluTanh",
    hasMlpBias: true,
    positions: "learned",
  },
};
const { engram: _none, ...bare } = smallConfig;
const models: Readonly<Record<string, (backend: Backend) => Promise<LanguageModel>>> = {
  "a memory and a convolution": (backend) =>
    randomModel(backend, { ...smallConfig, engramKernelSize: 3 }),
  "learned positions and biases": (backend) => randomModel(backend, gpt2),
  "parallel blocks and no memory": (backend) =>
    randomModel(backend, { ...bare, block: { ...blockOf(bare), isParallel: true } }),
  "packed weights": async (backend) => packedModel(await randomModel(backend, packableConfig), 4),
};
const backends: Readonly<Record<string, () => Backend>> = {
  reference: referenceBackend,
  onnx: () => ortBackend({ threads: 2 }),
};

for (const [backendName, makeBackend] of Object.entries(backends))
  for (const [name, make] of Object.entries(models).slice(0, backendName === "onnx" ? 4 : 2))
    describe(`what is written into the stream, ${name} on ${backendName}`, () => {
      test("is added there, however the text is split, beside others, and when it is scored", async () => {
        const model = await make(makeBackend());
        const memory = taught(model, [7, 3]);
        const expected = await byHand(model, memory);
        const near = { rtol: 1e-3, atol: 2e-4 };
        const { vocabSize } = model.config;
        const decoder = new Decoder(model);
        const plain = await decoder.createSession().append(text, { logits: "all" });
        const whole = decoder.createSession({ view: { memory } });
        const { logits } = await whole.append(text, { logits: "all" });
        toBeClose(logits, expected, near);
        const key = 2 * vocabSize;
        assert.deepEqual(logits.slice(0, key), plain.logits.slice(0, key));
        assert.notDeepEqual(
          logits.slice(key, key + vocabSize),
          plain.logits.slice(key, key + vocabSize),
        );

        const batch = new BatchDecoder(decoder, { slots: 2 });
        batch.sessions[0]!.restart({ memory, scale: 1 });
        await batch.sessions[0]!.append(text.slice(0, 2));
        await batch.sessions[1]!.append(other.slice(0, 2));
        for (const [i, id] of other.slice(2).entries()) {
          const entries = [
            { slot: 0, id: text[i + 2]! },
            { slot: 1, id },
          ];
          const [mine] = await batch.step(entries);
          toBeClose(mine!.logits, expected.slice((i + 2) * vocabSize, (i + 3) * vocabSize), near);
        }

        await using scorer = await Scorer.create(model, { batch: 1, length: 8, view: { memory } });
        const losses: number[] = [];
        await scorer.score(
          { tokens: Uint16Array.from(text.slice(0, 9)), starts: Uint32Array.of(0), numBytes: 9 },
          { onToken: (_, nats) => losses.push(nats) },
        );
        const byLogits = text.slice(1, 9).map((id, t) => {
          const row = Array.from(expected.slice(t * vocabSize, (t + 1) * vocabSize));
          return Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - row[id]!;
        });
        toBeClose(losses, byLogits, near);
      });

      test("changes no bit, and no graph, where no key is", async () => {
        let compiled = 0;
        const backend = makeBackend();
        const model = await make({
          name: backend.name,
          compile: (graph) => (compiled++, backend.compile(graph)),
          dispose: () => backend.dispose(),
        });
        const read = async (memory: Memory | undefined): Promise<[Float32Array, number]> => {
          const from = compiled;
          const session = new Decoder(model).createSession(memory && { view: { memory } });
          const { logits } = await session.append(text, { logits: "all" });
          return [logits, compiled - from];
        };
        assert.deepEqual(await read(taught(model, [7, 4])), await read(model.memory));
      });

      test("a zero that is added changes no bit", async () => {
        const model = await make(makeBackend());
        const { config, params, quantized } = model;
        const run = async (overlays: readonly number[]): Promise<Float32Array> => {
          const graph = decodeGraph(config, {
            batch: 1,
            length: 8,
            capacity: 8,
            logits: "all",
            quantized,
            ...(overlays.length > 0 && { overlays }),
          });
          const inputs: Record<string, Value> = { ...inputsOf(graph, params) };
          for (const [input, { dtype, shape }] of graph.inputs)
            inputs[input] ??= zeros(dtype, shape);
          inputs[io.ids]!.data.set(text.slice(0, 8));
          writePositions(config, inputs, { row: 0, start: 0, length: 8 });
          return (await runOnce(model.backend, graph, inputs))[io.logits]!.data as Float32Array;
        };
        assert.deepEqual(await run([0, 1, config.numLayers]), await run([]));
      });
    });
