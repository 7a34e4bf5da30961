import assert from "node:assert/strict";
import test from "node:test";
import { randomModel, smallConfig } from "../../test/models/random-model.ts";
import { ortBackend } from "../tensor/backends/onnx/node/index.ts";
import { type Constraint, restricted } from "./constraint.ts";
import { createSampler, type Generation, Scheduler } from "./index.ts";

const model = await randomModel(ortBackend({ threads: 1 }), { ...smallConfig, maxPositions: 96 });
const { vocabSize } = model.config;
const sampler = createSampler({ temperature: 0 });

async function idsOf(generation: Generation): Promise<{ ids: number[]; reason: string }> {
  const ids: number[] = [];
  for (;;) {
    const { done, value } = await generation.next();
    if (done === true) return { ids, reason: value };
    if (value.kind === "token") ids.push(value.id);
  }
}

const bitsOf = (ids: readonly number[]): Int32Array => {
  const bits = new Int32Array(Math.ceil(vocabSize / 32));
  for (const id of ids) bits[id >>> 5]! |= 1 << (id & 31);
  return bits;
};

/** Lets each of `steps` come at its place; each answer takes a while. */
function inSteps(steps: readonly (readonly number[])[]): Constraint & { asked: number[][] } {
  const asked: number[][] = [];
  return {
    asked,
    async allowed(ids) {
      asked.push([...ids]);
      await new Promise((resolve) => setTimeout(resolve, 15));
      return bitsOf(steps[ids.length] ?? []);
    },
  };
}

test("tokens without a bit cannot come, and banned ones only where nothing else is left", () => {
  const logits = Float32Array.of(1, 2, 3, 4);
  const allowed = bitsOf([0, 2]);
  assert.deepEqual([...restricted(logits, { allowed })], [1, -Infinity, 3, -Infinity]);
  assert.deepEqual(
    [...restricted(logits, { allowed, banned: [2] })],
    [1, -Infinity, -Infinity, -Infinity],
  );
  assert.deepEqual(
    [...restricted(logits, { allowed: bitsOf([2]), banned: [2] })],
    [-Infinity, -Infinity, 3, -Infinity],
  );
  assert.throws(() => restricted(logits, { allowed: bitsOf([]) }), /lets no token follow/);
  assert.deepEqual([...logits], [1, 2, 3, 4]);
});

test("a constrained text keeps to its sets beside free ones, which it neither changes nor holds up", async () => {
  const scheduler = new Scheduler(model, { parallel: 3 });
  const request = { promptIds: [3, 5], maxTokens: 24, sampler };
  const expected = (await idsOf(scheduler.submit(request))).ids;
  const steps = [[7], [8, 9], [1, 2, 33], [4]];
  const constraint = inSteps(steps);
  const order: string[] = [];
  const [free, bound, other] = await Promise.all([
    idsOf(scheduler.submit(request)).finally(() => order.push("free")),
    idsOf(scheduler.submit({ ...request, stopIds: [4], constraint })).finally(() =>
      order.push("bound"),
    ),
    idsOf(scheduler.submit(request)),
  ]);
  assert.deepEqual([free.ids, other.ids], [expected, expected]);
  assert.equal(bound.reason, "stop");
  assert.equal(bound.ids.length, 4);
  assert.ok(bound.ids.every((id, at) => steps[at]!.includes(id)));
  assert.deepEqual(
    constraint.asked,
    bound.ids.map((_, at) => bound.ids.slice(0, at)),
  );
  await scheduler.close();
});

test("a constraint that fails, or lets nothing follow, fails its own text alone", async () => {
  const scheduler = new Scheduler(model, { parallel: 3 });
  const request = { promptIds: [3, 5], maxTokens: 6, sampler };
  const failing: Constraint = { allowed: () => Promise.reject(new Error("no grammar")) };
  const results = await Promise.allSettled([
    idsOf(scheduler.submit({ ...request, constraint: failing })),
    idsOf(scheduler.submit({ ...request, constraint: inSteps([[1]]) })),
    idsOf(scheduler.submit(request)),
  ]);
  assert.match(String((results[0] as PromiseRejectedResult).reason), /no grammar/);
  assert.match(String((results[1] as PromiseRejectedResult).reason), /lets no token follow/);
  assert.equal(results[2].status, "fulfilled");
  await scheduler.close();
});

test("a set that is known before the engine has computed, and lets nothing follow, fails its own text alone", async () => {
  const scheduler = new Scheduler(model, { parallel: 2 });
  const request = { promptIds: [3, 5], maxTokens: 6, sampler };
  const ready: Constraint = { allowed: async (ids) => bitsOf(ids.length < 2 ? [1] : []) };
  const [bound, free] = await Promise.allSettled([
    idsOf(scheduler.submit({ ...request, constraint: ready })),
    idsOf(scheduler.submit(request)),
  ]);
  assert.match(String((bound as PromiseRejectedResult).reason), /lets no token follow/);
  assert.equal(free.status, "fulfilled");
  await scheduler.close();
});

test("while what may come next is not known, other texts come and go, and an abort is heard", async () => {
  const scheduler = new Scheduler(model, { parallel: 2 });
  const request = { promptIds: [3, 5], maxTokens: 6, sampler };
  const never: Constraint = { allowed: () => new Promise(() => undefined) };
  const controller = new AbortController();
  const { signal } = controller;
  const stuck = idsOf(scheduler.submit({ ...request, constraint: never, signal }));
  for (let i = 0; i < 3; i++) assert.equal((await idsOf(scheduler.submit(request))).ids.length, 6);
  controller.abort();
  await assert.rejects(stuck, { name: "AbortError" });
  const again = idsOf(scheduler.submit({ ...request, constraint: never }));
  await Promise.all([scheduler.close(), assert.rejects(again, /shutting down/)]);
});
