import assert from "node:assert/strict";
import { after, test } from "node:test";
import { randomModel, smallConfig } from "../../../test/models/random-model.ts";
import { Decoder, type LanguageModel, withoutMemory } from "../../inference/index.ts";
import { ortBackend } from "../../tensor/backends/onnx/node/index.ts";
import type { TokenRequest } from "./encode-requests.ts";
import { packRequests } from "./pack-requests.ts";
import { PythonRandom } from "./python-random.ts";
import { scoreRequests } from "./score-requests.ts";

const backend = ortBackend();
after(() => backend.dispose());
const context = smallConfig.maxPositions;
const model = await randomModel(backend);

function requestOf(ids: readonly number[], begin: number): TokenRequest {
  return { ids: Int32Array.from(ids), begin, isTruncated: false };
}

function randomRequests(count: number, seed: number): TokenRequest[] {
  const random = new PythonRandom(seed);
  return Array.from({ length: count }, () => {
    const length = 2 + random.below(context);
    const ids = Array.from({ length }, () => random.below(smallConfig.vocabSize));
    return requestOf(ids, 1 + random.below(length - 1));
  });
}

/** The same by a session, one request at a time: another graph, another way through the memory. */
async function bySession(of: LanguageModel, { ids, begin }: TokenRequest, scale: number) {
  const decoder = new Decoder(of, { capacity: context });
  await using session = decoder.createSession({ view: { scale } });
  const { logits } = await session.append(ids.slice(0, -1), { logits: "all" });
  const { vocabSize } = of.config;
  let logLikelihood = 0;
  let isGreedy = true;
  for (let t = begin; t < ids.length; t++) {
    const row = Array.from(logits.subarray((t - 1) * vocabSize, t * vocabSize));
    const most = Math.max(...row);
    const norm = most + Math.log(row.reduce((sum, x) => sum + Math.exp(x - most), 0));
    logLikelihood += row[ids[t]!]! - norm;
    isGreedy &&= row[ids[t]!] === most;
  }
  await session.dispose();
  await decoder.dispose();
  return { logLikelihood, isGreedy };
}

test("requests packed side by side score as each one by itself, with the memory, scaled and without", async () => {
  const requests = randomRequests(40, 1);
  for (const [of, scale] of [
    [model, 1],
    [model, 0.5],
    [withoutMemory(model), 1],
  ] as const) {
    const scores = await scoreRequests(of, requests, { view: { scale }, context });
    for (const [i, one] of requests.entries()) {
      const expected = await bySession(of, one, scale);
      assert.ok(Math.abs(scores[i]!.logLikelihood - expected.logLikelihood) < 1e-3, `${i}`);
      assert.equal(scores[i]!.isGreedy, expected.isGreedy, `${i}`);
    }
  }
});

test("choices of one token score from one reading as from their own, the likeliest among them greedy", async () => {
  const before = [3, 1, 4, 1, 5, 9, 2, 6];
  const choices = Array.from({ length: smallConfig.vocabSize }, (_, id) =>
    requestOf([...before, id], before.length),
  );
  const together = await scoreRequests(model, choices, { view: {}, context });
  let total = 0;
  for (const [i, one] of choices.entries()) {
    const expected = await bySession(model, one, 1);
    assert.ok(Math.abs(together[i]!.logLikelihood - expected.logLikelihood) < 1e-3, `${i}`);
    assert.equal(together[i]!.isGreedy, expected.isGreedy);
    total += Math.exp(together[i]!.logLikelihood);
  }
  assert.ok(Math.abs(total - 1) < 1e-5, `the chances sum to ${total}`);
  assert.equal(together.filter(({ isGreedy }) => isGreedy).length, 1);
});

test("a choice too unlikely for 32 bits is read by itself, and gets its number", async () => {
  const params = { ...model.params };
  const [name] = Object.keys(params)
    .filter((one) => one.endsWith("norm.weight"))
    .slice(-1);
  const { data, ...rest } = params[name!]!;
  // Logits a thousand times as far apart.
  params[name!] = { ...rest, data: Float32Array.from(data as Float32Array, (x) => x * 1000) };
  const sharp = { ...model, params };
  const choices = Array.from({ length: smallConfig.vocabSize }, (_, id) =>
    requestOf([3, 1, id], 2),
  );
  const scores = await scoreRequests(sharp, choices, { view: {}, context });
  assert.ok(scores.some(({ logLikelihood }) => logLikelihood < -100));
  for (const [i, one] of choices.entries()) {
    const expected = await bySession(sharp, one, 1);
    const error = Math.abs(scores[i]!.logLikelihood - expected.logLikelihood);
    assert.ok(error < 1e-3 * Math.max(1, Math.abs(expected.logLikelihood)), `${i}`);
  }
});

test("every request lies whole in one window, and scores its own tokens alone", () => {
  const requests = randomRequests(200, 2);
  const { stream, width, numWindows, requestAt } = packRequests(requests, { most: context + 1 });
  const found = requests.map(() => [] as number[]);
  for (const [at, owner] of requestAt.entries()) if (owner >= 0) found[owner]!.push(at);
  for (const [i, { ids, begin }] of requests.entries()) {
    const places = found[i]!;
    assert.deepEqual(
      places.map((at) => stream.tokens[at]!),
      Array.from(ids.subarray(begin)),
    );
    const start = places[0]! - begin;
    assert.ok(stream.starts.includes(start));
    assert.equal(Math.floor(start / width), Math.floor((start + ids.length - 1) / width));
  }
  const tokens = requests.reduce((sum, { ids }) => sum + ids.length, 0);
  assert.ok(tokens / (numWindows * width) > 0.9, "little of the windows is filler");
});
