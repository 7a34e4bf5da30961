import assert from "node:assert/strict";
import test, { after, describe } from "node:test";
import { servedModel } from "../../test/models/served-model.ts";
import { createServer } from "./index.ts";

const model = await servedModel();
const server = createServer(model, { parallel: 3 });
await server.ready;
after(async () => {
  await server.close();
  await model.close();
});

// oxlint-disable-next-line typescript/no-explicit-any -- tests look into documents of many shapes
type Body = any;

async function send(path: string, body: object): Promise<{ status: number; body: Body }> {
  const request = new Request(`http://engram${path}`, {
    method: "POST",
    body: JSON.stringify(body),
  });
  const response = await server.fetch(request);
  return { status: response.status, body: await response.json() };
}

async function events(path: string, body: object): Promise<Body[]> {
  const request = { method: "POST", body: JSON.stringify({ ...body, stream: true }) };
  const response = await server.fetch(new Request(`http://engram${path}`, request));
  const lines = (await response.text()).split("\n\n").filter((line) => line !== "");
  return lines.slice(0, -1).map((line) => JSON.parse(line.replace(/^data: /, "")));
}

const greedy = { temperature: 0, max_tokens: 12 };

describe("parameters of other servers and clients", () => {
  const request = { prompt: "the cat", ...greedy, max_tokens: 4 };

  test("that ask for nothing change nothing", async () => {
    const { body: plain } = await send("/v1/completions", request);
    const labels = {
      user: "a",
      metadata: { run: "1" },
      store: false,
      service_tier: "flex",
      request_id: "d",
      prediction: null,
      truncate_prompt_tokens: null,
      n_probs: 0,
      transforms: [],
      provider: {},
      lora: [],
      post_sampling_probs: false,
      mirostat_tau: 5,
      safety_identifier: "b",
      prompt_cache_key: "c",
      skip_special_tokens: true,
      use_beam_search: false,
      length_penalty: 1,
      cache_prompt: true,
      repeat_penalty: 1,
      mirostat: 0,
      min_tokens: 0,
      stop_token_ids: [],
      best_of: 1,
    };
    const nothing = Object.fromEntries(Object.keys(labels).map((name) => [name, null]));
    for (const more of [labels, nothing]) {
      const { status, body } = await send("/v1/completions", { ...request, ...more });
      assert.equal(status, 200, JSON.stringify(body));
      assert.deepEqual(body.choices, plain.choices);
    }
  });

  test("that would be ignored are refused by name", async () => {
    for (const [name, value] of [
      ["store", true],
      ["service_tier", "cheap"],
      ["n_probs", 5],
      ["transforms", ["middle-out"]],
      ["prediction", { type: "content", content: "a" }],
      ["truncate_prompt_tokens", 0],
      ["temprature", 0],
      ["length_penalty", 2],
      ["mirostat", 1],
      ["skip_special_tokens", false],
      ["grammar", 'root ::= "a"'],
      ["metadata", { a: 1 }],
      ["best_of", 0],
      ["stop_token_ids", [280]],
    ] as const) {
      const { status, body } = await send("/v1/completions", { ...request, [name]: value });
      assert.equal(status, 400, name);
      assert.ok(String(body.error.param).startsWith(name), `${name}: ${body.error.message}`);
    }
  });
});

describe("the end of a text", () => {
  const whole = async (more: object = {}): Promise<{ text: string }> => {
    const request = { prompt: "on", temperature: 0, max_tokens: 30, ...more };
    return (await send("/v1/completions", request)).body.choices[0];
  };

  test("comes at a token of stop_token_ids, which is no part of it, and not before min_tokens", async () => {
    const { body } = await send("/v1/completions", {
      prompt: "on",
      temperature: 0,
      max_tokens: 30,
      logprobs: 0,
    });
    const tokens: string[] = body.choices[0].logprobs.tokens;
    const at = tokens.findIndex((token, i) => i > 5 && tokens.indexOf(token) === i);
    const id = (await model.tokenizer.encode(tokens[at]!))[0]!;
    const stopped = await send("/v1/completions", {
      prompt: "on",
      temperature: 0,
      max_tokens: 30,
      stop_token_ids: [id],
    });
    const [choice] = stopped.body.choices;
    const { text } = await whole({ max_tokens: at });
    assert.deepEqual([choice.text, choice.finish_reason], [text, "stop"]);
    const later = await send("/v1/completions", {
      prompt: "on",
      temperature: 0,
      max_tokens: 30,
      stop_token_ids: [id],
      min_tokens: at + 3,
    });
    assert.ok(later.body.usage.completion_tokens > at + 2);
    assert.ok(later.body.choices[0].text.startsWith(choice.text));
  });

  test("does not come at a stop string before min_tokens", async () => {
    const { text } = await whole();
    const stop = text.slice(4, 6);
    const early = await whole({ stop });
    assert.equal(early.text, text.slice(0, text.indexOf(stop)));
    const late = await whole({ stop, min_tokens: 30 });
    assert.equal(late.text, text);
  });
});

test("best_of answers the likeliest of so many texts", async () => {
  const request = { prompt: "the", max_tokens: 12, seed: 5, logprobs: 0 };
  const all = await send("/v1/completions", { ...request, n: 5 });
  const mean = ({ logprobs }: { logprobs: { token_logprobs: number[] } }): number =>
    logprobs.token_logprobs.reduce((a, b) => a + b, 0) / logprobs.token_logprobs.length;
  const texts = (choices: { text: string }[]): string[] => choices.map(({ text }) => text);
  const ranked = all.body.choices.toSorted(
    (a: Parameters<typeof mean>[0], b: Parameters<typeof mean>[0]) => mean(b) - mean(a),
  );
  const { logprobs: _, ...plain } = request;
  const best = await send("/v1/completions", { ...plain, best_of: 5, n: 2 });
  assert.deepEqual(texts(best.body.choices), texts(ranked).slice(0, 2));
  assert.equal(best.body.choices[0].logprobs, null);
  assert.equal(best.body.usage.completion_tokens, all.body.usage.completion_tokens);
  for (const wrong of [
    { best_of: 5, stream: true },
    { best_of: 2, n: 3 },
  ])
    assert.equal((await send("/v1/completions", { ...plain, ...wrong })).status, 400);
});

test("answers tell how long reading and writing took, under llama-server's names", async () => {
  const request = { prompt: "the cat sat", ...greedy };
  const { body } = await send("/v1/completions", request);
  const { timings, usage } = body;
  assert.equal(timings.predicted_n, usage.completion_tokens);
  assert.equal(timings.cache_n + timings.prompt_n, usage.prompt_tokens);
  assert.ok(timings.predicted_ms > 0 && timings.predicted_per_second > 0);
  // The second text of a prompt reads what the first one left; both accounts tell of the first.
  const two = (await send("/v1/completions", { ...request, prompt: "the dog sat on", n: 2 })).body;
  const { cached_tokens: cached } = two.usage.prompt_tokens_details;
  assert.equal(two.timings.cache_n, cached);
  assert.equal(two.timings.cache_n + two.timings.prompt_n, two.usage.prompt_tokens);
  assert.equal(two.timings.predicted_n, two.usage.completion_tokens);
  const chunks = await events("/v1/completions", request);
  assert.equal(chunks.at(-1).timings.predicted_n, usage.completion_tokens);
});

test("every answer has the request's own id, or one that was made", async () => {
  const idOf = async (path: string, id?: string): Promise<string> => {
    const headers = id === undefined ? {} : { "x-request-id": id };
    const response = await server.fetch(new Request(`http://engram${path}`, { headers }));
    return response.headers.get("x-request-id")!;
  };
  assert.equal(await idOf("/version", "run-7/a:3"), "run-7/a:3");
  assert.equal(await idOf("/nowhere", "run-8"), "run-8");
  for (const strange of [undefined, "two words", "a".repeat(300)])
    assert.match(await idOf("/version", strange), /^req_[0-9a-f-]{36}$/);
  assert.notEqual(await idOf("/version"), await idOf("/version"));
});
