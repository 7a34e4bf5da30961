import assert from "node:assert/strict";
import test from "node:test";
import { toBeClose } from "../../test/conformance/close.ts";
import { randomModel, smallConfig } from "../../test/models/random-model.ts";
import { ortBackend } from "../tensor/backends/onnx/node/index.ts";
import { referenceBackend, runOnce, type Value, zeros } from "../tensor/index.ts";
import { decodeGraph, io } from "../model/index.ts";
import { BatchDecoder } from "./batch-decoder.ts";
import { ablated } from "../memory/index.ts";
import { Decoder, withoutMemory } from "./index.ts";
import { inputsOf } from "./language-model.ts";

const near = { rtol: 1e-3, atol: 1e-4 };
const prompts = [[0, 7, 3, 3, 38, 12, 7], [5], [9, 9, 2, 17, 30, 4, 1, 8, 3, 22, 11, 6]];
const tails = [
  [3, 21, 5, 9],
  [30, 2, 17, 7],
  [12, 38, 0, 1],
];

for (const [name, makeBackend] of [
  ["reference", referenceBackend],
  ["onnx", () => ortBackend({ threads: 2 })],
] as const)
  for (const engramKernelSize of [0, 3])
    test(`a batch of unlike lengths gives what each gives alone (${name}, ${engramKernelSize} taps)`, async () => {
      const model = await randomModel(makeBackend(), { ...smallConfig, engramKernelSize });
      const decoder = new Decoder(model, { capacity: 24 });
      const batch = new BatchDecoder(decoder, { slots: 5 });
      const scales = [1, 0.5, 1];
      const alone = scales.map((scale) => decoder.createSession({ view: { scale } }));
      // Slot 1 stays idle, slot 4 makes the batch larger than the number of its entries.
      const slots = [0, 2, 4];
      for (const [i, prompt] of prompts.entries()) {
        batch.sessions[slots[i]!]!.restart({ memory: model.memory, scale: scales[i]! });
        await batch.sessions[slots[i]!]!.append(prompt);
        await alone[i]!.append(prompt);
      }
      for (let t = 0; t < 4; t++) {
        const entries = slots.map((slot, i) => ({ slot, id: tails[i]![t]! }));
        const results = await batch.step(t === 2 ? entries.toReversed() : entries);
        for (const [i, session] of alone.entries()) {
          const { logits, gates, rows } = results[t === 2 ? 2 - i : i]!;
          const reading = await session.append([tails[i]![t]!]);
          toBeClose(logits, reading.logits, near);
          toBeClose(gates.get(1)!, reading.gates.get(1)!, near);
          assert.deepEqual(rows, reading.rows);
        }
      }
    });

test("a scale of 1 changes no bit, and a scale of 0 leaves no trace of the memory", async () => {
  const model = await randomModel(ortBackend({ threads: 2 }));
  const text = [0, 7, 3, 3, 38, 12, 7, 3];
  const shape = { batch: 1, length: 8, capacity: 32, logits: "all" } as const;
  const logits: Float32Array[] = [];
  for (const scaled of [false, true]) {
    const graph = decodeGraph(model.config, { ...shape, scaled });
    assert.equal(graph.inputs.has(io.scale), scaled);
    const inputs: Record<string, Value> = { ...inputsOf(graph, model.params) };
    for (const [input, { dtype, shape: size }] of graph.inputs)
      inputs[input] ??= zeros(dtype, size);
    inputs[io.ids]!.data.set(text);
    inputs[io.cos]!.data.fill(1);
    inputs[io.memory(1)]!.data.set(Float32Array.from({ length: 256 }, (_, i) => Math.sin(i)));
    inputs[io.scale]?.data.fill(1);
    logits.push((await runOnce(model.backend, graph, inputs))[io.logits]!.data as Float32Array);
  }
  assert.deepEqual(logits[1], logits[0]);
  const without = (await new Decoder(withoutMemory(model)).createSession().append(text)).logits;
  const decoder = new Decoder(model);
  assert.deepEqual(
    (await decoder.createSession({ view: { scale: 0 } }).append(text)).logits,
    without,
  );
  assert.notDeepEqual(
    (await decoder.createSession({ view: { scale: 1 } }).append(text)).logits,
    without,
  );
});

test("a gate held at what it is changes nothing, held at 0 it shuts the memory out", async () => {
  for (const backend of [referenceBackend(), ortBackend({ threads: 2 })]) {
    const model = await randomModel(backend);
    const decoder = new Decoder(model);
    const read = (gate: number, ids: number[]) =>
      decoder.createSession({ view: { gates: new Map([[1, gate]]) } }).append(ids);
    const own = await decoder.createSession().append([7]);
    const gate = own.gates.get(1)![0]!;
    toBeClose((await read(gate, [7])).logits, own.logits, near);
    const text = [0, 7, 3, 3, 38, 12, 7, 3];
    const half = await read(0.5, text);
    assert.deepEqual([...half.gates.get(1)!], Array(8).fill(0.5), "the gate in use is told");
    const without = (await new Decoder(withoutMemory(model)).createSession().append(text)).logits;
    toBeClose((await read(0, text)).logits, without, near);
    assert.throws(() => toBeClose(half.logits, without, near));
    for (const [layer, value] of [
      [0, 0.5],
      [1, -1],
      [1, Number.NaN],
    ] as const) {
      const view = { gates: new Map([[layer, value]]) };
      assert.throws(() => decoder.createSession({ view }), /gate is set to 0..1/);
    }
  }
});

test("a prefix copied from another slot goes on as the other would", async () => {
  const config = { ...smallConfig, engramKernelSize: 3 };
  const decoder = new Decoder(await randomModel(ortBackend({ threads: 2 }), config));
  const { sessions } = new BatchDecoder(decoder, { slots: 2 });
  await sessions[0]!.append([...prompts[2]!, 13, 14]);
  await sessions[1]!.append([1, 2, 3]);
  sessions[1]!.copyPrefix(sessions[0]!, 12);
  const whole = (await decoder.createSession().append([...prompts[2]!, 30, 31])).logits;
  toBeClose((await sessions[1]!.append([30, 31])).logits, whole, near);
});

test("a session says which rows it read, chunk by chunk", async () => {
  const decoder = new Decoder(await randomModel(referenceBackend()));
  const text = [...prompts[0]!, ...prompts[2]!];
  const whole = await decoder.createSession().append(text);
  const session = decoder.createSession();
  await session.append(text.slice(0, 3));
  const part = await session.append(text.slice(3));
  assert.deepEqual(part.rows.get(1), whole.rows.get(1)!.slice(3 * 4));
});

test("slots with memories of their own read each theirs, in one run", async () => {
  for (const makeBackend of [referenceBackend, () => ortBackend({ threads: 2 })]) {
    const model = await randomModel(makeBackend());
    const views = [
      { memory: model.memory, scale: 1 },
      { memory: ablated(model.memory!, { orders: [2] }), scale: 1 },
      { memory: ablated(model.memory!, { heads: [0] }), scale: 0.5 },
      { memory: model.memory, scale: 1, gates: new Map([[1, 0.25]]) },
    ];
    const decoder = new Decoder(model);
    const batch = new BatchDecoder(decoder, { slots: 4 });
    const alone = views.map((view) => decoder.createSession({ view }));
    for (const [slot, view] of views.entries()) {
      batch.sessions[slot]!.restart(view);
      const prompt = prompts[slot % prompts.length]!;
      await batch.sessions[slot]!.append(prompt);
      await alone[slot]!.append(prompt);
    }
    for (const id of tails[0]!) {
      const results = await batch.step(views.map((_, slot) => ({ slot, id })));
      for (const [slot, session] of alone.entries()) {
        const expected = await session.append([id]);
        toBeClose(results[slot]!.logits, expected.logits, near);
        assert.deepEqual(results[slot]!.rows, expected.rows);
      }
    }
  }
});

test("a session that is synced reads again only what differs", async () => {
  const decoder = new Decoder(await randomModel(referenceBackend()));
  const text = [...prompts[0]!, ...prompts[2]!];
  const session = decoder.createSession();
  await session.append([...text.slice(0, 6), 1, 2]);
  const reading = await session.sync(text);
  assert.equal(reading.gates.get(1)!.length, text.length - 6);
  assert.deepEqual(session.ids, text);
  toBeClose(reading.logits, (await decoder.createSession().append(text)).logits, near);
  // The last id is always read: it leads to the logits.
  assert.equal((await session.sync(text)).gates.get(1)!.length, 1);
});
