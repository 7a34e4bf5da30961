import assert from "node:assert/strict";
import test, { after, describe } from "node:test";
import { libraryText, servedModel } from "../../test/models/served-model.ts";
import { StoreError } from "../errors.ts";
import { FactStore } from "../facts/index.ts";
import { createServer, type EngramServer, routes } from "./index.ts";

const model = await servedModel({ store: new FactStore() });
const server = createServer(model, { version: "0.0.1", parallel: 3 });
await server.ready;
const chatModel = await servedModel({ withChat: true });
const chatServer = createServer(chatModel, { alias: "talker" });
await chatServer.ready;
after(async () => {
  for (const one of [server, chatServer]) await one.close();
  for (const one of [model, chatModel]) await one.close();
});

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into documents of many shapes
  readonly body: any;
}

async function send(path: string, body?: unknown, to: EngramServer = server): Promise<Answer> {
  const response = await to.fetch(
    new Request(`http://engram${path}`, {
      ...(body !== undefined && {
        method: "POST",
        body: typeof body === "string" ? body : JSON.stringify(body),
      }),
    }),
  );
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.includes("json") === true;
  return {
    status: response.status,
    headers: response.headers,
    body: isJson ? JSON.parse(text) : text,
  };
}

/** The data of each event of a stream, the last one's included. */
// oxlint-disable-next-line typescript/no-explicit-any -- as above
async function events(path: string, body: object, to: EngramServer = server): Promise<any[]> {
  const { status, body: text } = await send(path, { ...body, stream: true }, to);
  assert.equal(status, 200, JSON.stringify(text));
  const lines = (text as string).split("\n\n").filter((line) => line !== "");
  assert.equal(lines.pop(), "data: [DONE]");
  return lines.map((line) => JSON.parse(line.replace(/^data: /, "")));
}

const greedy = { temperature: 0, max_tokens: 12 };

describe("completions", () => {
  test("are the text that the library writes", async () => {
    const prompt = "the cat sat";
    const { body } = await send("/v1/completions", { prompt, ...greedy });
    assert.equal(body.object, "text_completion");
    assert.equal(body.model, "served");
    const text = await libraryText(model, prompt, { temperature: 0, maxTokens: 12 });
    assert.equal(body.choices[0].text, text);
    assert.equal(body.choices[0].finish_reason, "length");
    const promptTokens = (await model.tokenizer.encode(prompt)).length + 1;
    assert.deepEqual(
      [body.usage.prompt_tokens, body.usage.completion_tokens, body.usage.total_tokens],
      [promptTokens, 12, promptTokens + 12],
    );
  });

  test("are the same for texts and for ids, one prompt or several", async () => {
    const texts = ["the cat", "the mat and"];
    const alone = await Promise.all(
      texts.map((prompt) => send("/v1/completions", { prompt, ...greedy })),
    );
    const expected = alone.map(({ body }) => body.choices[0].text);
    const eos = model.tokenizer.eosTokenId!;
    const ids = await Promise.all(
      texts.map(async (text) => [eos, ...(await model.tokenizer.encode(text))]),
    );
    for (const prompt of [texts, ids]) {
      const { body } = await send("/v1/completions", { prompt, ...greedy });
      assert.deepEqual(
        body.choices.map(({ text }: { text: string }) => text),
        expected,
      );
      assert.deepEqual(
        body.choices.map(({ index }: { index: number }) => index),
        [0, 1],
      );
    }
    const { body } = await send("/v1/completions", { prompt: ids[1], ...greedy });
    assert.equal(body.choices[0].text, expected[1]);
  });

  test("draw the same text from the same seed, n different ones for n", async () => {
    const ask = async (more: object): Promise<string[]> => {
      const { body } = await send("/v1/completions", { prompt: "the", max_tokens: 20, ...more });
      return body.choices.map(({ text }: { text: string }) => text);
    };
    const [first, second] = await ask({ seed: 7, n: 2 });
    assert.notEqual(first, second);
    assert.deepEqual(await ask({ seed: 7 }), [first]);
    assert.notDeepEqual(await ask({ seed: 8 }), [first]);
    assert.notDeepEqual(await ask({}), await ask({}));
  });

  test("end before a stop string, streamed or not", async () => {
    const whole = await libraryText(model, "on", { temperature: 0, maxTokens: 30 });
    const stop = whole.slice(9, 13);
    const request = { prompt: "on", temperature: 0, max_tokens: 30, stop: ["\u0000", stop] };
    const { body } = await send("/v1/completions", request);
    const expected = whole.slice(0, whole.indexOf(stop));
    assert.deepEqual([body.choices[0].text, body.choices[0].finish_reason], [expected, "stop"]);
    const chunks = await events("/v1/completions", request);
    const text = chunks.map(({ choices }) => choices[0].text).join("");
    assert.deepEqual([text, chunks.at(-1).choices[0].finish_reason], [expected, "stop"]);
  });

  test("stream the pieces of the same text, and usage only where it is asked for", async () => {
    const request = { prompt: ["the cat", "mat"], ...greedy };
    const { body } = await send("/v1/completions", request);
    const chunks = await events("/v1/completions", {
      ...request,
      stream_options: { include_usage: true },
    });
    for (const index of [0, 1]) {
      const own = chunks.flatMap(({ choices }) => choices).filter((c) => c.index === index);
      assert.equal(own.map(({ text }) => text).join(""), body.choices[index].text);
      assert.deepEqual(
        own.map(({ finish_reason: reason }) => reason),
        [...Array(own.length - 1).fill(null), "length"],
      );
    }
    const last = chunks.pop();
    assert.deepEqual(last.choices, []);
    assert.equal(last.usage.completion_tokens, body.usage.completion_tokens);
    assert.ok(chunks.every(({ usage }) => usage === null));
    for (const chunk of await events("/v1/completions", request)) assert.ok(!("usage" in chunk));
  });

  test("score a text as lm-evaluation-harness asks", async () => {
    const context = [...(await model.tokenizer.encode("the cat sat on"))];
    const prompts = [
      [...context, ...(await model.tokenizer.encode(" the mat"))],
      [...context, ...(await model.tokenizer.encode(" THE"))],
    ];
    const request = { model: "served", prompt: prompts, temperature: 0, logprobs: 1, seed: 1234 };
    for (const max_tokens of [1, 0]) {
      const { body } = await send("/v1/completions", { ...request, max_tokens, echo: true });
      for (const [i, ids] of prompts.entries()) {
        const { tokens, token_logprobs: given, top_logprobs: top } = body.choices[i].logprobs;
        assert.equal(tokens.length, ids.length + max_tokens);
        assert.deepEqual([given[0], top[0]], [null, null]);
        assert.ok(body.choices[i].text.startsWith(model.tokenizer.decode(ids)));
        assert.equal(tokens.slice(0, ids.length).join(""), model.tokenizer.decode(ids));
        // The harness' own arithmetic, against the model's: sum of ln p, and whether greedy.
        const session = model.createSession();
        const logits = (await session.append(ids, { logits: "all" })).logits;
        const V = model.config.vocabSize;
        for (let t = 1; t < ids.length; t++) {
          const row = Array.from(logits.subarray((t - 1) * V, t * V));
          const norm = Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0));
          assert.ok(Math.abs(given[t] - (row[ids[t]!]! - norm)) < 1e-3);
          const isGreedy = row.indexOf(Math.max(...row)) === ids[t];
          assert.equal(given[t] === Math.max(...(Object.values(top[t]) as number[])), isGreedy);
        }
        await session.dispose();
      }
    }
  });

  test("echo a text from its first letter, its offsets pointing into it", async () => {
    const prompt = "the cat ü sat";
    const request = { prompt, echo: true, logprobs: 2, ...greedy };
    const { body } = await send("/v1/completions", request);
    const { text, logprobs } = body.choices[0];
    assert.ok(text.startsWith(prompt));
    assert.equal(logprobs.text_offset[0], 0);
    assert.ok(logprobs.token_logprobs.every((x: number) => Number.isFinite(x) && x <= 0));
    for (const [i, token] of logprobs.tokens.entries())
      if (!token.startsWith("bytes:") && !token.startsWith("<"))
        assert.equal(text.substr(logprobs.text_offset[i], token.length), token);
  });

  test("obey bias and penalties", async () => {
    const id = (await model.tokenizer.encode("x"))[0]!;
    const forced = await send("/v1/completions", {
      prompt: "the",
      ...greedy,
      logit_bias: { [id]: 100 },
    });
    assert.equal(forced.body.choices[0].text, "x".repeat(12));
    const free = await send("/v1/completions", {
      prompt: "the",
      ...greedy,
      max_tokens: 40,
      logit_bias: { [id]: 100 },
      frequency_penalty: 2,
      presence_penalty: 2,
      repetition_penalty: 30,
    });
    assert.notEqual(free.body.choices[0].text, "x".repeat(40));
  });
});

describe("the memory", () => {
  const request = { prompt: "the cat sat", temperature: 0, max_tokens: 10 };
  const ask = async (engram: object): Promise<Answer["body"]> =>
    (await send("/v1/completions", { ...request, engram })).body;

  test("can be left out, and scaled", async () => {
    const without = await libraryText(model, request.prompt, {
      temperature: 0,
      maxTokens: 10,
      memory: false,
    });
    const plain = (await send("/v1/completions", request)).body.choices[0].text;
    assert.equal((await ask({ enabled: false })).choices[0].text, without);
    assert.equal((await ask({ scale: 0 })).choices[0].text, without);
    assert.equal((await ask({ scale: 1 })).choices[0].text, plain);
    assert.notEqual(without, plain);
  });

  test("shows its gates and rows of every token read, streamed or not", async () => {
    const wish = { return: ["gates", "rows"] };
    const body = await ask(wish);
    const report = body.choices[0].engram;
    const promptIds = [
      model.tokenizer.eosTokenId!,
      ...(await model.tokenizer.encode(request.prompt)),
    ];
    assert.deepEqual(report.tokens.slice(0, promptIds.length), promptIds);
    assert.equal(report.tokens.length, promptIds.length + 10 - 1);
    const session = model.createSession();
    const reading = await session.append(report.tokens);
    assert.deepEqual(report.rows["1"].flat(), Array.from(reading.rows.get(1)!));
    for (const [t, gate] of report.gates["1"].entries())
      assert.ok(Math.abs(gate - reading.gates.get(1)![t]!) < 1e-4);
    await session.dispose();
    const chunks = await events("/v1/completions", { ...request, engram: wish });
    const parts = chunks.flatMap(({ choices }) => choices[0].engram ?? []);
    assert.ok(parts.length > 5);
    assert.deepEqual(
      parts.flatMap(({ tokens }) => tokens),
      report.tokens,
    );
    assert.deepEqual(
      parts.flatMap(({ rows }) => rows["1"]),
      report.rows["1"],
    );
    const { engram } = (await ask({ return: ["gates"] })).choices[0];
    assert.deepEqual(Object.keys(engram), ["start", "tokens", "gates"]);
  });
});

describe("failures and strangers", () => {
  test("a store that fails ends a stream with an error event, and a plain request with 500", async () => {
    let reads = 0;
    let failsAt = 5;
    const broken = await servedModel({
      beforeRead: () => {
        if (++reads === failsAt) throw new StoreError("the disk is gone");
      },
    });
    const reported: unknown[] = [];
    const failing = createServer(broken, { onError: (error) => reported.push(error) });
    await failing.ready;
    const chunks = await events("/v1/completions", { prompt: "the", ...greedy }, failing);
    assert.equal(chunks.at(-1).error.type, "server_error");
    assert.equal(chunks.at(-1).error.code, "store_failed");
    assert.ok(chunks.length > 2 && chunks.slice(0, -1).every((chunk) => "choices" in chunk));
    failsAt = reads + 2;
    const plain = await send("/v1/completions", { prompt: "on", ...greedy }, failing);
    assert.deepEqual([plain.status, plain.body.error.code], [500, "store_failed"]);
    assert.equal(reported.length, 2);
    const next = await send("/v1/completions", { prompt: "on", ...greedy }, failing);
    assert.equal(next.status, 200);
    await failing.close();
    await broken.close();
  });

  test("a key is asked for everywhere but at /health, and other origins get what was granted", async () => {
    const origin = "http://page.example";
    const guarded = createServer(model, { apiKey: "hush", corsOrigins: [origin] });
    await guarded.ready;
    const get = (path: string, headers: Record<string, string>): Promise<Response> =>
      guarded.fetch(new Request(`http://engram${path}`, { headers }));
    assert.equal((await get("/health", {})).status, 200);
    for (const authorization of ["", "Bearer", "Bearer hus", "Bearer hushh", "Basic hush"])
      assert.equal((await get("/v1/models", { authorization })).status, 401, authorization);
    const granted = await get("/v1/models", { authorization: "Bearer hush", origin });
    assert.equal(granted.status, 200);
    assert.equal(granted.headers.get("access-control-allow-origin"), origin);
    const other = await get("/health", { origin: "http://other.example" });
    assert.equal(other.headers.get("access-control-allow-origin"), null);
    const preflight = await guarded.fetch(
      new Request("http://engram/v1/completions", {
        method: "OPTIONS",
        headers: { origin, "access-control-request-method": "POST" },
      }),
    );
    assert.equal(preflight.status, 204);
    await guarded.close();
  });

  test("a model without memory serves, and says so where its memory is asked for", async () => {
    const plain = await servedModel({ hasMemory: false });
    const bare = createServer(plain);
    await bare.ready;
    const off = { prompt: "the", ...greedy, engram: { enabled: false } };
    assert.equal((await send("/v1/completions", off, bare)).status, 200);
    const { status, body } = await send("/v1/completions", { prompt: "the", engram: {} }, bare);
    assert.deepEqual([status, body.error.code], [400, "no_memory"]);
    assert.equal((await send("/props", undefined, bare)).body.engram, null);
    await bare.close();
    await plain.close();
  });
});

describe("what a server says of itself", () => {
  test("tokens go there and back", async () => {
    const prompt = "the Cat ü 語\n";
    const { body } = await send("/tokenize", { prompt, return_token_strs: true });
    assert.deepEqual(body.tokens, [...(await model.tokenizer.encode(prompt))]);
    assert.equal(body.count, body.token_strs.length);
    const back = await send("/detokenize", { tokens: body.tokens });
    assert.equal(back.body.prompt, prompt);
    assert.equal(back.body.content, prompt);
  });

  test("a text is cut into tokens in llama-server's words, too, and a conversation in vLLM's", async () => {
    const eos = model.tokenizer.eosTokenId!;
    const special = model.tokenizer.decode([eos]);
    const content = `ü${special}`;
    const plain = [...(await model.tokenizer.encode(content))];
    const parsed = [...(await model.tokenizer.encode(content, { allowSpecial: true }))];
    assert.notDeepEqual(parsed, plain);
    const tokens = async (fields: object): Promise<unknown> =>
      (await send("/tokenize", { content, ...fields })).body.tokens;
    assert.deepEqual(await tokens({}), plain);
    assert.deepEqual(await tokens({ parse_special: true, add_special: true }), [eos, ...parsed]);
    const pieces = (await tokens({ with_pieces: true })) as { id: number; piece: unknown }[];
    assert.deepEqual(
      pieces.map(({ id }) => id),
      plain,
    );
    // "ü" is two bytes and, to a tokenizer that never saw it, two tokens.
    assert.deepEqual(
      pieces.slice(0, 2).map(({ piece }) => piece),
      [[0xc3], [0xbc]],
    );
    const messages = [{ role: "user", content: "the cat" }];
    const { body } = await send("/tokenize", { messages }, chatServer);
    const text = "user: the cat\nassistant:";
    assert.deepEqual(body.tokens, [
      ...(await chatModel.tokenizer.encode(text, { allowSpecial: true })),
    ]);
    assert.equal((await send("/tokenize", { messages })).body.error.code, "no_chat_template");
  });

  test("health, models, properties and version", async () => {
    assert.deepEqual((await send("/health")).body, { status: "ok" });
    const { body } = await send("/v1/models", undefined, chatServer);
    assert.deepEqual([body.data[0].id, body.data[0].max_model_len], ["talker", 128]);
    assert.equal((await send("/v1/models/served")).body.id, "served");
    assert.equal((await send("/v1/models/other")).status, 404);
    const props = (await send("/props")).body;
    assert.deepEqual([props.total_slots, props.context_size], [3, 128]);
    assert.deepEqual([props.engram.layerIds, props.engram.tables[0].format], [[1], "f32"]);
    assert.deepEqual((await send("/version")).body, { version: "0.0.1" });
  });

  test("a model that is still loading answers 503, then serves", async () => {
    let loaded: (value: typeof model) => void = () => undefined;
    const loading = createServer(new Promise<typeof model>((resolve) => (loaded = resolve)));
    for (const [path, body] of [["/health"], ["/v1/completions", { prompt: "a" }]] as const) {
      const answer = await send(path, body, loading);
      assert.equal(answer.status, 503);
      assert.equal(answer.body.error.code, "loading");
    }
    loaded(model);
    await loading.ready;
    assert.equal((await send("/health", undefined, loading)).status, 200);
    await loading.close();
  });

  test("metrics count what happened, in Prometheus' format", async () => {
    const counting = createServer(model);
    await counting.ready;
    const request = { prompt: "the cat sat", ...greedy };
    for (let i = 0; i < 2; i++) await send("/v1/completions", request, counting);
    const { body, headers } = await send("/metrics", undefined, counting);
    assert.match(headers.get("content-type")!, /^text\/plain; version=0\.0\.4/);
    const values = new Map<string, number>();
    for (const line of (body as string).trimEnd().split("\n")) {
      if (line.startsWith("#")) continue;
      // Every line carries the model's name, which dashboards choose by.
      const [, name, rest, value] =
        /^([a-z_0-9]+)\{model_name="served"((?:,[a-z_]+="[^"]*")?)\} (\S+)$/.exec(line) ?? [];
      assert.ok(name !== undefined, line);
      values.set(rest === "" ? name : `${name}{${rest!.slice(1)}}`, Number(value));
    }
    const promptTokens = (await model.tokenizer.encode(request.prompt)).length + 1;
    const { tables, addressing } = model.rows!;
    const columns = tables.length * addressing.numColumns;
    const expected: Record<string, number> = {
      engram_prompt_tokens_total: 2 * promptTokens,
      engram_generation_tokens_total: 24,
      'engram_request_success_total{finished_reason="length"}': 2,
      engram_time_to_first_token_seconds_count: 2,
      'engram_time_to_first_token_seconds_bucket{le="+Inf"}': 2,
      engram_inter_token_latency_seconds_count: 22,
      engram_time_per_output_token_seconds_count: 22,
      engram_e2e_request_latency_seconds_count: 2,
      engram_request_queue_time_seconds_count: 2,
      engram_request_prefill_time_seconds_count: 2,
      engram_request_decode_time_seconds_count: 2,
      engram_request_prompt_tokens_sum: 2 * promptTokens,
      'engram_request_generation_tokens_bucket{le="10"}': 0,
      'engram_request_generation_tokens_bucket{le="20"}': 2,
      engram_num_requests_running: 0,
      engram_num_requests_waiting: 0,
      engram_prefix_cache_queries_total: 2 * promptTokens,
      engram_prefix_cache_hits_total: promptTokens - 1,
      // Two prompts, of which the second is read from its last token on, and 11 more tokens each.
      engram_memory_steps_total: 24,
      engram_memory_rows_total: (promptTokens + 1 + 22) * columns,
      engram_memory_steps_ahead_total: 0,
      engram_memory_stall_seconds_total: 0,
      engram_memory_speculated_tokens_total: 0,
      'engram_memory_speculation_outcomes_total{outcome="right"}': 0,
      'engram_memory_tier_rows{tier="ram"}': tables.reduce((n, { store }) => n + store.numRows, 0),
    };
    for (const [name, value] of Object.entries(expected))
      assert.equal(values.get(name), value, name);
    await counting.close();
  });

  test("the description has every route that answers, and no other", async () => {
    const { body } = await send("/openapi.json");
    assert.equal(body.openapi, "3.1.0");
    const properties =
      body.paths["/v1/completions"].post.requestBody.content["application/json"].schema.properties;
    assert.ok("engram" in properties && "prompt" in properties);
    for (const { method, path, query } of routes) {
      const url = `http://engram${path.replace("{name}", "served")}`;
      const sent = method === "post" ? { body: "{}" } : {};
      const { status } = await server.fetch(
        new Request(url, { method: method.toUpperCase(), ...sent }),
      );
      // What asks for a body, for parameters, or for something that is not there, says so.
      const asks = method !== "get" || query !== undefined;
      assert.ok(status === 200 || (asks && status === 400), `${path}: ${status}`);
    }
    assert.equal((await send("/v1/nothing")).body.error.code, "unknown_route");
  });
});
