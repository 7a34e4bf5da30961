import assert from "node:assert/strict";
import test from "node:test";
import { randomModel, smallConfig } from "../../test/models/random-model.ts";
import { referenceBackend } from "../tensor/index.ts";
import { argmax, createSampler, Decoder, generate, type GenerateOptions } from "./index.ts";

const greedy = createSampler({ temperature: 0 });

async function collect(options: Partial<GenerateOptions>, prompt = [1, 2, 3]) {
  const decoder = new Decoder(await randomModel(referenceBackend()));
  const session = decoder.createSession();
  const ids: number[] = [];
  const tokens = generate(session, prompt, { sampler: greedy, maxTokens: 8, ...options });
  for (;;) {
    const { value, done } = await tokens.next();
    if (done) return { ids, reason: value, session };
    ids.push(value);
  }
}

test("greedy tokens are those that a session without a past finds for the whole text", async () => {
  const { ids, reason } = await collect({});
  const decoder = new Decoder(await randomModel(referenceBackend()));
  const text = [1, 2, 3];
  for (const id of ids) {
    assert.equal(argmax((await decoder.createSession().append(text)).logits), id);
    text.push(id);
  }
  assert.equal(ids.length, 8);
  assert.equal(reason, "length");
});

test("an end token ends the text and is not part of it", async () => {
  const { ids } = await collect({});
  const stop = ids[3]!;
  const stopped = await collect({ stopIds: [stop] });
  assert.deepEqual(stopped.ids, ids.slice(0, ids.indexOf(stop)));
  assert.equal(stopped.reason, "stop");
});

test("the context's end ends the text", async () => {
  const prompt = Array(smallConfig.maxPositions - 2).fill(4);
  const { ids, reason, session } = await collect({ maxTokens: 100 }, prompt);
  // The last token is sampled from a full context and never read back.
  assert.equal(ids.length, 3);
  assert.equal(reason, "length");
  assert.equal(session.remaining, 0);
});

test("breaking out stops asking the model", async () => {
  const session = new Decoder(await randomModel(referenceBackend())).createSession();
  for await (const id of generate(session, [1, 2], { sampler: greedy, maxTokens: 20 }))
    if (session.length === 5 && id >= 0) break;
  assert.equal(session.length, 5);
});

test("an abort rejects with its reason, before the first token and between tokens", async () => {
  const session = new Decoder(await randomModel(referenceBackend())).createSession();
  const early = generate(session, [1], {
    sampler: greedy,
    maxTokens: 5,
    signal: AbortSignal.abort(new Error("no")),
  });
  await assert.rejects(early.next(), /no/);
  assert.equal(session.length, 0);
  const controller = new AbortController();
  const tokens = generate(session, [1], {
    sampler: greedy,
    maxTokens: 5,
    signal: controller.signal,
  });
  await tokens.next();
  controller.abort();
  await assert.rejects(tokens.next(), { name: "AbortError" });
});

test("no tokens asked for, none computed", async () => {
  const { ids, session } = await collect({ maxTokens: 0 });
  assert.deepEqual(ids, []);
  assert.equal(session.length, 0);
  await assert.rejects(collect({ maxTokens: -1 }), /maxTokens must be 0 or more/);
});
