import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test, { after } from "node:test";
import { miniPreset } from "../test/models/mini-preset.ts";
import { servedModel } from "../test/models/served-model.ts";
import { RequestError } from "./errors.ts";
import { Facts, FactStore } from "./facts/index.ts";
import { generateText } from "./generate-text.ts";
import { CorpusIndex } from "./inspect/index.ts";
import type { Model } from "./opened-model.ts";
import type { TrainSummary } from "./run-training.ts";
import { createServer } from "./server/index.ts";
import { ortBackend } from "./tensor/backends/onnx/node/index.ts";
import { TrainingHere } from "./training-here.ts";

const play = await readFile(new URL("../assets/tinyshakespeare.txt", import.meta.url), "utf8");
const text = play.slice(0, 12_000);
const backend = ortBackend({ threads: 2 });
after(() => backend.dispose());

const preset = { ...miniPreset, training: { ...miniPreset.training, steps: 10 } };

function here(onModel: (model: Model, summary: TrainSummary) => void): TrainingHere {
  return new TrainingHere({
    preset,
    backend: async () => backend,
    sample: async () => ({ name: "play.txt", text }),
    factsFor: (_, { tokenizer }) => new Facts(new FactStore(), { tokenizer }),
    onModel,
  });
}

test("a run in memory is asked for, watched and inspected like any other, by requests alone", async () => {
  let made: { model: Model; summary: TrainSummary } | undefined;
  const training = here((model, summary) => (made = { model, summary }));
  await using before = await servedModel();
  const server = createServer(before, { training, runs: [training] });
  await server.ready;
  // oxlint-disable-next-line typescript/no-explicit-any -- answers of several shapes
  const ask = async (path: string, method = "GET"): Promise<any> => {
    const body = method === "POST" ? { body: "{}" } : {};
    const request = new Request(`http://engram${path}`, { method, ...body });
    return (await server.fetch(request)).json();
  };
  assert.equal((await ask("/engram/training")).training.state, "idle");
  assert.equal((await ask("/engram/training", "POST")).training.state, "running");
  assert.match((await ask("/engram/training", "POST")).error.message, /running already/);
  const lines: { step: number; loss?: number }[] = [];
  for (let cursor = ""; (await ask("/engram/training")).training.state === "running";) {
    const part = await ask(`/engram/runs/log?run=this%20page&cursor=${cursor}`);
    assert.equal(part.restart, false);
    lines.push(...part.lines);
    ({ cursor } = part);
    // Answers come within a turn, in which nothing would be trained.
    await new Promise((go) => setTimeout(go, 20));
  }
  const { training: done } = await ask("/engram/training");
  assert.deepEqual([done.state, done.step, done.note], ["finished", 10, ""]);
  const { runs } = await ask("/engram/runs");
  assert.deepEqual([runs[0].state, runs[0].step, runs[0].steps], ["finished", 10, 10]);
  const losses = lines.flatMap(({ loss }) => (loss === undefined ? [] : [loss]));
  assert.ok(losses.length > 3 && losses.at(-1)! < losses[0]!, `${losses}`);
  await server.close();

  const { model, summary } = made!;
  assert.equal(runs[0].valid_bits_per_byte, summary.bitsPerByte);
  assert.ok(summary.bitsPerByte < 8 && summary.numRows > 0);
  let written = "";
  for await (const piece of generateText(model, "First", { maxTokens: 5 })) written += piece;
  assert.notEqual(written, "");
  const { tokenizer } = model;
  const corpus = await CorpusIndex.read(
    { tokenizer, memory: model.rows! },
    (await model.corpus())!,
  );
  assert.deepEqual([corpus.report.name, corpus.report.tokens], ["play.txt", summary.trainTokens]);

  const fact = { prompt: "The name of the cat is", completion: " Purr" };
  await model.teach([fact]);
  let answer = "";
  for await (const piece of generateText(model, fact.prompt, { temperature: 0, maxTokens: 8 }))
    answer += piece;
  assert.ok(answer.startsWith(fact.completion), answer);
  await model.forget({ all: true });
  assert.deepEqual(model.facts(), []);
  await model.close();
});

test("a run that is stopped, or cannot go, leaves no model and can be begun again", async () => {
  const training = here(() => assert.fail("there is no model"));
  const end = async (): Promise<void> => {
    while (training.state().state === "running") await new Promise((go) => setTimeout(go, 5));
  };
  training.start();
  assert.throws(() => training.start(), RequestError);
  training.stop();
  await end();
  assert.equal(training.state().state, "stopped");
  const { cursor } = await training.read({ cursor: "" });
  training.start({ name: "nothing", text: "a" });
  await end();
  assert.equal(training.state().state, "failed");
  assert.match(training.state().note, /split in two/);
  assert.equal((await training.read({ cursor })).isRestart, true);
});

test("a server that trains nothing says so", async () => {
  await using model = await servedModel();
  const server = createServer(model);
  await server.ready;
  const ask = (method: string) =>
    server.fetch(
      new Request("http://engram/engram/training", {
        method,
        ...(method === "POST" && { body: "{}" }),
      }),
    );
  assert.deepEqual(await (await ask("GET")).json(), { training: null });
  for (const method of ["POST", "DELETE"]) assert.equal((await ask(method)).status, 400);
  await server.close();
});
