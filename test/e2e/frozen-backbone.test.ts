/** A backbone that is not trained: no gradient, no moments, no way back through it, and not one bit changed. */
import assert from "node:assert/strict";
import test, { after } from "node:test";
import { type ModelConfig, paramLayout, paramSpecs, trainGraph } from "../../src/model/index.ts";
import { ortBackend } from "../../src/tensor/backends/onnx/node/index.ts";
import { referenceBackend } from "../../src/tensor/backends/reference/index.ts";
import { Trainer } from "../../src/training/index.ts";
import { toBeClose } from "../conformance/close.ts";
import { miniPreset } from "../models/mini-preset.ts";
import { smallConfig } from "../models/random-model.ts";
import { trainableModel } from "../models/trainable-model.ts";

const ort = ortBackend({ threads: 1 });
after(() => ort.dispose());

const shape = { batch: 2, length: 16 };
const { engram: _, ...backbone } = smallConfig;
/** Of its memory, nothing is trained but the weights of the mixture. */
const reader: ModelConfig = { ...backbone, counted: { order: 4 } };

/** Products of matrices, in which the time of a step goes. */
function numProducts(graph: ReturnType<typeof trainGraph>): number {
  return graph.nodes.filter(({ op }) => op === "matmul").length;
}

test("where only the mixture is trained there is no way back through a layer", () => {
  const deeper = { ...reader, numLayers: reader.numLayers + 1 };
  const productsOf = (config: ModelConfig, train: "all" | "memory"): number =>
    numProducts(trainGraph(config, shape, paramLayout(config, train).specs));
  // Seven products of weights: q, k, v, o, gate, up, down. On the way back each is two more, and attention has its own.
  assert.equal(productsOf(deeper, "memory") - productsOf(reader, "memory"), 7);
  assert.ok(productsOf(deeper, "all") - productsOf(reader, "all") >= 21);
  const names = paramLayout(reader, "memory").specs.map(({ name }) => name);
  assert.deepEqual(names, [
    "memory_mixture.hidden.weight",
    "memory_mixture.evidence.weight",
    "memory_mixture.bias",
  ]);
});

for (const backend of [referenceBackend(), ort])
  test(`a step with a frozen backbone moves its memory as a whole step would, and no other weight (${backend.name})`, async () => {
    const config = { ...smallConfig, documentStart: 6 };
    const recipe = { ...miniPreset.training, ...shape, accumulate: 1, memoryFadeIn: 0 };
    const gradients = new Map<string, Map<string, Float32Array>>();
    for (const train of ["all", "memory"] as const) {
      const { model, state, stream } = await trainableModel(backend, config, train);
      const before = new Map(
        Object.entries(model.params).map(([name, { data }]) => [name, data.slice()]),
      );
      const rows = model.memory!.identity;
      const trainer = await Trainer.create(model, state, { recipe, stream, seed: 1 });
      await trainer.step();
      await trainer.dispose();
      assert.notEqual(model.memory!.identity, rows);
      const { specs, offsets } = state.layout;
      gradients.set(
        train,
        new Map(
          specs.map(({ name }) => {
            const at = offsets.get(name)!;
            const { length } = model.params[name]!.data;
            return [name, state.arrays.gradients.slice(at, at + length)];
          }),
        ),
      );
      const moved = paramSpecs(config)
        .map(({ name }) => name)
        .filter((name) => model.params[name]!.data.some((x, i) => x !== before.get(name)![i]));
      const isMemory = (name: string): boolean => name.includes(".engram.");
      assert.deepEqual(
        moved,
        paramSpecs(config)
          .map(({ name }) => name)
          .filter((name) => train === "all" || isMemory(name)),
      );
    }
    const [all, memory] = [gradients.get("all")!, gradients.get("memory")!];
    assert.equal(memory.size, 3);
    for (const [name, found] of memory)
      toBeClose(found, all.get(name)!, { rtol: 1e-5, atol: 1e-7 });
  });
