import assert from "node:assert/strict";
import test from "node:test";
import * as fc from "fast-check";
import { toBeClose } from "../../test/conformance/close.ts";
import { randomModel, smallConfig } from "../../test/models/random-model.ts";
import { RequestError, StoreError, UnavailableError } from "../errors.ts";
import { ortBackend } from "../tensor/backends/onnx/node/index.ts";
import {
  createSampler,
  Decoder,
  type Generation,
  type GenerationRequest,
  type GenerationStep,
  type LanguageModel,
  logProbsOf,
  Scheduler,
  type TokenStep,
  withoutMemory,
} from "./index.ts";

const backend = ortBackend({ threads: 2 });
const config = { ...smallConfig, maxPositions: 96 };
const model = await randomModel(backend, config);

const greedy = (): GenerationRequest["sampler"] => createSampler({ temperature: 0 });

async function collect(
  generation: Generation,
): Promise<{ steps: GenerationStep[]; tokens: TokenStep[]; reason: string }> {
  const steps: GenerationStep[] = [];
  for (;;) {
    const { done, value } = await generation.next();
    if (done === true)
      return { steps, tokens: steps.filter((step) => step.kind === "token"), reason: value };
    steps.push(value);
  }
}

const idsOf = ({ tokens }: { tokens: readonly TokenStep[] }): number[] =>
  tokens.map(({ id }) => id);

/** What a session alone makes of a prompt, and how near each choice was to the next best. */
async function alone(
  language: LanguageModel,
  promptIds: readonly number[],
  maxTokens: number,
): Promise<{ ids: number[]; gaps: number[] }> {
  const session = new Decoder(language).createSession();
  let logits = (await session.append(promptIds)).logits;
  const ids: number[] = [];
  const gaps: number[] = [];
  for (;;) {
    const [first, second] = logProbsOf(logits, { id: 0, top: 2 }).top;
    ids.push(first!.id);
    gaps.push(first!.logProb - second!.logProb);
    if (ids.length === maxTokens) return { ids, gaps };
    logits = (await session.append([first!.id])).logits;
  }
}

/** Equal up to the first place where two logits lay closer than rounding may move them. */
function sameUpToTies(found: number[], expected: { ids: number[]; gaps: number[] }): void {
  const tie = expected.gaps.findIndex((gap) => gap < 1e-3);
  const sure = tie === -1 ? expected.ids.length : tie;
  assert.deepEqual(found.slice(0, sure), expected.ids.slice(0, sure));
  assert.equal(found.length, expected.ids.length);
}

test("batched, queued, cached or alone, the same tokens come out at temperature 0", async () => {
  const scheduler = new Scheduler(model, { parallel: 3 });
  const shared = Array.from({ length: 20 }, (_, i) => (i * 7) % 40);
  const prompts = [
    [3],
    shared,
    [...shared, 5],
    [...shared.slice(0, 12), 9, 9],
    [1, 2, 3, 4],
    shared,
  ];
  const expected = await Promise.all(prompts.map((ids) => alone(model, ids, 30)));
  for (let round = 0; round < 2; round++) {
    const found = await Promise.all(
      prompts.map((promptIds) =>
        collect(scheduler.submit({ promptIds, maxTokens: 30, sampler: greedy() })),
      ),
    );
    for (const [i, result] of found.entries()) sameUpToTies(idsOf(result), expected[i]!);
  }
  assert.ok(scheduler.prefixCache.hits > 60, `${scheduler.prefixCache.hits} tokens from the cache`);
  assert.ok(expected.flatMap(({ gaps }) => gaps).filter((gap) => gap < 1e-3).length < 5);
  await scheduler.close();
});

test("a scale of 0 beside others is the model without memory", async () => {
  const scheduler = new Scheduler(model, { parallel: 3 });
  const promptIds = [4, 8, 15, 16, 23, 5];
  const request = { promptIds, maxTokens: 20 };
  const [off, on] = await Promise.all(
    [0, 1].map((scale) => collect(scheduler.submit({ ...request, scale, sampler: greedy() }))),
  );
  sameUpToTies(idsOf(off!), await alone(withoutMemory(model), promptIds, 20));
  sameUpToTies(idsOf(on!), await alone(model, promptIds, 20));
  assert.notDeepEqual(idsOf(off!), idsOf(on!));
  await scheduler.close();
});

test("log-probabilities of prompt and answer are those of a session", async () => {
  const scheduler = new Scheduler(model);
  const promptIds = [7, 7, 3, 20, 31];
  const found = await collect(
    scheduler.submit({
      promptIds,
      maxTokens: 3,
      sampler: greedy(),
      topLogProbs: 2,
      promptLogProbs: true,
    }),
  );
  const [prompt] = found.steps;
  assert.ok(prompt?.kind === "prompt");
  const ids = [...promptIds, ...idsOf(found)];
  const logits = (
    await new Decoder(model).createSession().append(ids.slice(0, -1), { logits: "all" })
  ).logits;
  const expected = ids.slice(1).map((id, t) => {
    const row = logits.subarray(t * config.vocabSize, (t + 1) * config.vocabSize);
    return logProbsOf(row, { id, top: 2 });
  });
  const given = [...prompt.logProbs!, ...found.tokens.map(({ logProbs }) => logProbs!)];
  assert.equal(given[0], null);
  toBeClose(
    given.slice(1).map((entry) => entry!.logProb),
    expected.map(({ logProb }) => logProb),
    { rtol: 1e-3, atol: 1e-4 },
  );
  assert.deepEqual(
    given.slice(1).map((entry) => entry!.top.map(({ id }) => id)),
    expected.map(({ top }) => top.map(({ id }) => id)),
  );
  await scheduler.close();
});

test("a trace holds the gates and rows of every token that was read, in order", async () => {
  const scheduler = new Scheduler(model, { parallel: 2 });
  const promptIds = [7, 7, 3, 20, 31];
  const request = { promptIds, maxTokens: 4, trace: true };
  const [found] = await Promise.all(
    [0, 1].map(() => collect(scheduler.submit({ ...request, sampler: greedy() }))),
  );
  const traces = found!.steps.flatMap(({ trace }) => trace ?? []);
  const read = [...promptIds, ...idsOf(found!).slice(0, -1)];
  assert.deepEqual(
    traces.flatMap(({ ids }) => ids),
    read,
  );
  const session = new Decoder(model).createSession();
  const reading = await session.append(read);
  toBeClose(
    traces.flatMap(({ gates }) => gates.get(1)!),
    reading.gates.get(1)!,
    { rtol: 1e-3, atol: 1e-4 },
  );
  assert.deepEqual(
    traces.flatMap(({ rows }) => rows.get(1)!.flat()),
    Array.from(reading.rows.get(1)!),
  );
  await scheduler.close();
});

test("a generation ends at a stop id, at its length and at the end of the context", async () => {
  const scheduler = new Scheduler(model, { contextSize: 24 });
  const promptIds = [3, 1, 4];
  const { ids } = await alone(model, promptIds, 10);
  const stopId = ids[5]!;
  const until = ids.indexOf(stopId) + 1;
  const run = (rest: Partial<GenerationRequest>): ReturnType<typeof collect> =>
    collect(scheduler.submit({ promptIds, maxTokens: 10, sampler: greedy(), ...rest }));
  const stopped = await run({ stopIds: [stopId] });
  assert.equal(stopped.reason, "stop");
  assert.deepEqual(idsOf(stopped), ids.slice(0, until));
  assert.deepEqual(
    stopped.tokens.map(({ isStop }) => isStop),
    ids.slice(0, until).map((_, i) => i === until - 1),
  );
  const full = await run({ maxTokens: 500 });
  assert.equal(full.reason, "length");
  assert.equal(full.tokens.length, 24 - 3 + 1);
  const nothing = await run({ maxTokens: 0 });
  assert.deepEqual([nothing.reason, nothing.tokens.length], ["length", 0]);
  await scheduler.close();
});

test("who goes away frees a slot, and the others do not notice", async () => {
  const scheduler = new Scheduler(model, { parallel: 2 });
  const promptIds = [11, 12, 13];
  const request = (): GenerationRequest => ({ promptIds, maxTokens: 40, sampler: greedy() });
  const controller = new AbortController();
  const leaving = scheduler.submit({ ...request(), signal: controller.signal });
  const staying = collect(scheduler.submit(request()));
  const breaking = scheduler.submit(request());
  const waiting = collect(scheduler.submit(request()));
  await leaving.next();
  controller.abort();
  await assert.rejects(collect(leaving), { name: "AbortError" });
  for await (const step of breaking) if (step.kind === "token") break;
  const expected = await alone(model, promptIds, 40);
  sameUpToTies(idsOf(await staying), expected);
  sameUpToTies(idsOf(await waiting), expected);
  await scheduler.drain();
  assert.equal(scheduler.numRunning, 0);
  await scheduler.close();
});

test("a full queue refuses, draining refuses, and what was accepted is finished", async () => {
  const scheduler = new Scheduler(model, { parallel: 1, maxQueue: 1 });
  const request = (): GenerationRequest => ({ promptIds: [5], maxTokens: 5, sampler: greedy() });
  const accepted = [scheduler.submit(request()), scheduler.submit(request())].map(collect);
  assert.throws(
    () => scheduler.submit(request()),
    (error) => error instanceof UnavailableError && error.code === "queue_full",
  );
  const drained = scheduler.drain();
  assert.throws(
    () => scheduler.submit(request()),
    (error) => error instanceof UnavailableError && error.code === "shutting_down",
  );
  for (const result of await Promise.all(accepted)) assert.equal(result.tokens.length, 5);
  await drained;
  await scheduler.close();
});

test("places are taken together or not at all, and given back where they were not used", async () => {
  const scheduler = new Scheduler(model, { parallel: 1, maxQueue: 3 });
  const request = (): GenerationRequest => ({ promptIds: [5], maxTokens: 2, sampler: greedy() });
  assert.throws(() => scheduler.reserve(5), RequestError);
  const places = scheduler.reserve(3);
  assert.equal(scheduler.numWaiting, 3);
  assert.throws(
    () => scheduler.reserve(2),
    (error) => error instanceof UnavailableError && error.code === "queue_full",
  );
  assert.equal((await collect(places.submit(request()))).tokens.length, 2);
  // The last of them is used while the queue drains: it was accepted.
  const drained = Promise.all([scheduler.drain(), scheduler.drain()]);
  assert.equal((await collect(places.submit(request()))).tokens.length, 2);
  assert.equal(scheduler.numWaiting, 1);
  places[Symbol.dispose]();
  places[Symbol.dispose]();
  await drained;
  assert.equal(scheduler.numWaiting, 0);
  await scheduler.close();
});

test("closing breaks off what was taken and not begun", async () => {
  const scheduler = new Scheduler(model, { parallel: 1 });
  const places = scheduler.reserve(2);
  const drained = scheduler.drain();
  await scheduler.close();
  await drained;
  assert.throws(
    () => places.submit({ promptIds: [5], maxTokens: 2, sampler: greedy() }),
    (error) => error instanceof UnavailableError && error.code === "shutting_down",
  );
});

test("a store that fails breaks the running generations by name and none after them", async () => {
  const [table] = model.memory!.tables;
  let isBroken = true;
  const store = {
    numRows: table!.store.numRows,
    rowBytes: table!.store.rowBytes,
    async read(rows: Uint32Array, into: Uint8Array) {
      if (isBroken) throw new StoreError("the disk is gone");
      await table!.store.read(rows, into);
    },
    close: async () => undefined,
  };
  const broken = { ...model, memory: model.memory!.withTables((one) => ({ ...one, store })) };
  const scheduler = new Scheduler(broken);
  const request = (): GenerationRequest => ({ promptIds: [5, 6], maxTokens: 9, sampler: greedy() });
  await assert.rejects(collect(scheduler.submit(request())), /the disk is gone/);
  isBroken = false;
  const expected = await alone(model, [5, 6], 9);
  sameUpToTies(idsOf(await collect(scheduler.submit(request()))), expected);
  await scheduler.close();
});

test("any mix of requests, cancelled or not, leaves every survivor's tokens as they would be alone", async () => {
  const scheduler = new Scheduler(model, { parallel: 3, maxQueue: 100, contextSize: 40 });
  const anyRequest = fc.record({
    promptIds: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 30 }),
    maxTokens: fc.integer({ min: 1, max: 8 }),
    leavesAfter: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(anyRequest, { minLength: 1, maxLength: 8 }), async (requests) => {
      await Promise.all(
        requests.map(async ({ promptIds, maxTokens, leavesAfter }) => {
          const generation = scheduler.submit({ promptIds, maxTokens, sampler: greedy() });
          if (leavesAfter !== undefined) {
            for (let i = 0; i < leavesAfter; i++) await generation.next();
            await generation.return("stop");
            return;
          }
          const found = idsOf(await collect(generation));
          sameUpToTies(found, await alone(model, promptIds, maxTokens));
        }),
      );
    }),
    { numRuns: 12 },
  );
  await scheduler.drain();
  assert.equal(scheduler.numRunning + scheduler.numWaiting, 0);
  await scheduler.close();
});

test("a token is handed out once the engine works on the next, so that handing out costs no time", async () => {
  let begun = 0;
  const counting: LanguageModel = {
    ...model,
    backend: {
      name: "counting",
      compile: async (graph) => {
        const executable = await backend.compile(graph);
        return {
          bind(inputs, outputs) {
            const binding = executable.bind(inputs, outputs);
            const run = (): Promise<void> => {
              begun++;
              return binding.run();
            };
            return { run, dispose: () => binding.dispose() };
          },
          dispose: () => executable.dispose(),
        };
      },
      dispose: () => Promise.resolve(),
    },
  };
  const scheduler = new Scheduler(counting, { parallel: 2 });
  const request = { promptIds: [3, 1, 4], maxTokens: 8, sampler: greedy() };
  const runsAtToken: number[] = [];
  for await (const step of scheduler.submit(request))
    if (step.kind === "token") runsAtToken.push(begun);
  // Token k comes of run k and is seen during run k + 1; nothing follows the last.
  for (const [k, runs] of runsAtToken.slice(0, -1).entries())
    assert.ok(runs >= k + 2, `token ${k} was handed out after ${runs} runs had begun`);
  assert.equal(begun, 8);
  await scheduler.close();
});
