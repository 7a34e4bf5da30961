/**
 * Requests made to hurt: whatever comes, the answer is a refusal in the one shape that errors have, never
 * a failure of ours, and the next request is answered as if nothing had been.
 */
import assert from "node:assert/strict";
import { connect } from "node:net";
import test, { after } from "node:test";
import { gzipSync } from "node:zlib";
import * as fc from "fast-check";
import { createServer, listen } from "../../src/index-server.ts";
import { routes } from "../../src/server/index.ts";
import { servedModel } from "../models/served-model.ts";

const model = await servedModel({ withChat: true, contextSize: 64 });
const failures: unknown[] = [];
const server = createServer(model, {
  maxBodyBytes: 100_000,
  parallel: 2,
  maxQueue: 3,
  onError: (error) => failures.push(error),
});
await server.ready;
after(async () => {
  await server.close();
  await model.close();
  assert.deepEqual(failures, []);
});

const posts = [
  "/v1/completions",
  "/v1/chat/completions",
  "/v1/embeddings",
  "/tokenize",
  "/detokenize",
] as const;

async function post(
  path: string,
  body: string | Uint8Array<ArrayBuffer>,
): Promise<{ status: number; text: string }> {
  const request = new Request(`http://engram${path}`, { method: "POST", body });
  const response = await server.fetch(request);
  return { status: response.status, text: await response.text() };
}

function checkRefusal({ status, text }: { status: number; text: string }): void {
  assert.ok(status >= 400 && status < 500, `${status}: ${text}`);
  const { error } = JSON.parse(text) as { error: Record<string, unknown> };
  assert.deepEqual(Object.keys(error).toSorted(), ["code", "message", "param", "type"]);
  const { message } = error;
  assert.ok(typeof message === "string" && message.length > 10);
  // What a schema says where it does not say what is wrong.
  assert.doesNotMatch(message, /(?:^|: )Invalid (?:input|key in record|element.*)$/);
}

async function stillServes(): Promise<void> {
  const body = JSON.stringify({ prompt: "the cat", temperature: 0, max_tokens: 2 });
  const { status, text } = await post("/v1/completions", body);
  assert.equal(status, 200, text);
}

test("bodies that are no JSON, no UTF-8, too large or no object are refused", async () => {
  for (const path of posts)
    for (const body of [
      "",
      "{",
      "null",
      "[]",
      '"text"',
      "1e999",
      `{"prompt":"${"a".repeat(100_000)}"}`,
      "[".repeat(50_000),
      new Uint8Array([0x22, 0xff, 0xfe, 0x22]),
    ])
      checkRefusal(await post(path, body));
  await stillServes();
});

test("a compressed body is refused by status 415, said or not", async () => {
  const plain = JSON.stringify({ prompt: "the", max_tokens: 1 });
  const gzip = new Uint8Array(gzipSync(plain));
  const sent = async (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string>) =>
    server.fetch(new Request("http://engram/v1/completions", { method: "POST", body, headers }));
  for (const headers of [
    {},
    { "content-encoding": "gzip" },
    { "content-encoding": "br" },
    { "content-encoding": "deflate, gzip" },
  ] as Record<string, string>[]) {
    const answer = await sent("content-encoding" in headers ? plain : gzip, headers);
    assert.equal(answer.status, 415);
    assert.equal(answer.headers.get("accept-encoding"), "identity");
    checkRefusal({ status: 415, text: await answer.text() });
  }
  assert.equal((await sent(plain, { "content-encoding": "identity" })).status, 200);
});

test("a wrong method is 405 and says which are right; a path that is none is 404", async () => {
  const ask = async (method: string, path: string) =>
    server.fetch(new Request(`http://engram${path}`, { method }));
  const taken = new Map<string, string[]>();
  for (const { method, path } of routes)
    taken.set(path, [
      ...(taken.get(path) ?? []),
      ...(method === "get" ? ["GET", "HEAD"] : [method.toUpperCase()]),
    ]);
  for (const [path, methods] of taken)
    for (const method of ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
      const answer = await ask(method, path.replace("{name}", "served"));
      const text = await answer.text();
      if (methods.includes(method)) assert.notEqual(answer.status, 405, `${method} ${path}`);
      else {
        assert.equal(answer.status, 405, `${method} ${path}`);
        assert.deepEqual(answer.headers.get("allow")?.split(", ").toSorted(), methods.toSorted());
        if (method !== "HEAD") assert.equal(JSON.parse(text).error.code, "method_not_allowed");
      }
    }
  for (const path of ["/v1/nothing", "/v1/models/", "/"])
    assert.equal((await ask("PUT", path)).status, 404, path);
});

test("what is not supported is refused, by the parameter's name", async () => {
  const cases: readonly [string, object, string][] = [
    ["/v1/completions", { prompt: "a", best_of: 65 }, "best_of"],
    ["/v1/completions", { prompt: "a", suffix: "b" }, "suffix"],
    ["/v1/completions", { prompt: "a", mirostat: 2 }, "mirostat"],
    ["/v1/completions", { prompt: "a", temperature: -1 }, "temperature"],
    ["/v1/completions", { prompt: "a", top_p: "1" }, "top_p"],
    ["/v1/completions", { prompt: "a", n: 1e6 }, "n"],
    ["/v1/completions", { prompt: [], max_tokens: 1 }, "prompt"],
    ["/v1/completions", { prompt: [[]] }, "prompt.0"],
    ["/v1/completions", { prompt: [999_999] }, "prompt"],
    ["/v1/completions", { prompt: [1.5] }, "prompt"],
    ["/v1/completions", { prompt: "a ".repeat(100) }, "prompt"],
    ["/v1/completions", { prompt: "a", logit_bias: { 99999: 1 } }, "logit_bias"],
    ["/v1/completions", { prompt: "a", engram: { return: ["weights"] } }, "engram.return.0"],
    ["/v1/completions", { prompt: "a", engram: { force: true } }, "engram.force"],
    ["/v1/completions", { prompt: "a", stream_options: { x: 1 } }, "stream_options.x"],
    ["/v1/chat/completions", { messages: [] }, "messages"],
    [
      "/v1/chat/completions",
      { messages: [{ role: "tool", content: "" }] },
      "messages.0.tool_call_id",
    ],
    [
      "/v1/chat/completions",
      { messages: [{ role: "user", content: "a" }], response_format: { type: "xml" } },
      "response_format.type",
    ],
    [
      "/v1/chat/completions",
      { messages: [{ role: "user", content: "a" }], top_logprobs: 2 },
      "top_logprobs",
    ],
    ["/v1/completions", { prompt: "a", stream_options: { include_usage: true } }, "stream_options"],
    [
      "/v1/chat/completions",
      {
        messages: [{ role: "user", content: "a" }],
        tools: [{ type: "custom", custom: { name: "f" } }],
      },
      "tools.0.type",
    ],
    [
      "/v1/chat/completions",
      { messages: [{ role: "assistant", content: "a", tool_calls: [{}] }] },
      "messages.0.tool_calls.0.id",
    ],
    ["/tokenize", {}, "prompt"],
    ["/tokenize", { prompt: "a", content: "a" }, "content"],
    ["/tokenize", { prompt: "a", with_pieces: true }, "with_pieces"],
    ["/tokenize", { content: "a", return_token_strs: true }, "return_token_strs"],
    ["/detokenize", { tokens: [-1] }, "tokens.0"],
    ["/detokenize", { tokens: [280] }, "tokens"],
  ];
  for (const [path, body, param] of cases) {
    const answer = await post(path, JSON.stringify(body));
    checkRefusal(answer);
    const { error } = JSON.parse(answer.text) as { error: { param: string; message: string } };
    assert.equal(error.param, param, error.message);
  }
});

const anyField = fc.oneof(
  fc.constantFrom(
    "prompt",
    "messages",
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "n",
    "stop",
    "logprobs",
    "echo",
    "seed",
    "logit_bias",
    "stream_options",
    "engram",
    "model",
    "user",
    "repetition_penalty",
    "presence_penalty",
    "input",
    "encoding_format",
    "frequency_penalty",
    "tokens",
    "ignore_eos",
  ),
  fc.string(),
);
const anyValue = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom(-1, 0, 1, 2, 20, 64, 1e308, -1e308, 2 ** 53, "", "a", "__proto__", "\u0000"),
  fc.array(fc.integer({ min: -2, max: 300 }), { maxLength: 70 }),
  fc.record({ enabled: fc.boolean(), scale: fc.double({ noNaN: true, min: -200, max: 200 }) }),
);

test("any fields with any values are answered or refused, never failed on", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...posts),
      fc.dictionary(anyField, anyValue, { maxKeys: 5 }),
      fc.boolean(),
      async (path, fields, isValidBase) => {
        const base = isValidBase
          ? path === "/v1/embeddings"
            ? { input: "the" }
            : { prompt: "the", max_tokens: 2 }
          : { messages: [{ role: "user", content: "the" }], max_tokens: 2 };
        const answer = await post(path, JSON.stringify({ ...base, ...fields }));
        if (answer.status !== 200) checkRefusal(answer);
      },
    ),
    { numRuns: 400 },
  );
  await stillServes();
});

test("raw bytes on the socket do not bring the server down", async () => {
  const listener = await listen(server.fetch, { host: "127.0.0.1", port: 0 });
  const send = (text: string): Promise<void> =>
    new Promise((resolve) => {
      const socket = connect(listener.port, "127.0.0.1", () => socket.end(text));
      socket.on("error", () => resolve()).on("close", () => resolve());
      socket.resume();
    });
  const head = "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
  await send("\u0000\u0001\u0002\r\n\r\n");
  await send("GET /%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n");
  await send("GET //[ HTTP/1.1\r\nHost: x\r\n\r\n");
  await send(`${head}Content-Length: 500\r\n\r\n{"prompt":`);
  await send(`${head}Content-Length: 99999999\r\n\r\n{`);
  await send(`${head}Transfer-Encoding: chunked\r\n\r\nzz\r\n`);
  const body = '{"prompt":"the","max_tokens":60,"stream":true}';
  await send(`${head}Content-Length: ${body.length}\r\n\r\n${body}`);
  const response = await fetch(`${listener.url}/health`);
  assert.equal(response.status, 200);
  await stillServes();
  await listener.close();
});

test("a full queue answers 429 with retry-after, and is empty again afterwards", async () => {
  const controllers = Array.from({ length: 12 }, () => new AbortController());
  const responses = await Promise.all(
    controllers.map(({ signal }) =>
      server.fetch(
        new Request("http://engram/v1/completions", {
          method: "POST",
          body: JSON.stringify({ prompt: "the", max_tokens: 60, stream: true, ignore_eos: true }),
          signal,
        }),
      ),
    ),
  );
  const refused = responses.filter(({ status }) => status === 429);
  assert.equal(refused.length, 12 - 2 - 3);
  for (const { headers } of refused) assert.match(headers.get("retry-after")!, /^\d+$/);
  // Those who got a stream go away without reading it.
  for (const controller of controllers) controller.abort();
  await Promise.all(responses.map(({ body }) => body?.cancel()));
  await stillServes();
});

test("a request counts as all the texts it asks for: more than the queue holds are refused", async () => {
  // The queue of this server holds 2 + 3.
  for (const [body, status] of [
    [{ prompt: Array(1024).fill("a"), n: 64 }, 400],
    [{ prompt: ["a", "b", "c"], n: 2 }, 400],
    [{ prompt: "a", n: 6 }, 400],
    [{ prompt: ["a", "b", "c", "d", "e"], n: 1 }, 200],
    [{ prompt: "a", n: 5 }, 200],
  ] as const)
    for (const stream of [false, true]) {
      const request = JSON.stringify({ ...body, max_tokens: 1, stream });
      const answer = await post("/v1/completions", request);
      assert.equal(answer.status, status, answer.text);
      if (status === 400) assert.match(answer.text, /(?:65536|6) generations .* holds \(5\)/);
    }
  const input = Array(6).fill("a");
  assert.equal((await post("/v1/embeddings", JSON.stringify({ input }))).status, 400);
});

test("what is not begun of a request takes places, and gives them back when its client goes away", async () => {
  const request = { prompt: "the", max_tokens: 60, n: 4, stream: true, ignore_eos: true };
  const streamed = (): Promise<Response> =>
    server.fetch(
      new Request("http://engram/v1/completions", {
        method: "POST",
        body: JSON.stringify(request),
      }),
    );
  const first = await streamed();
  assert.equal(first.status, 200);
  assert.equal((await streamed()).status, 429, "four of five places are taken");
  await first.body!.cancel();
  const again = await streamed();
  assert.equal(again.status, 200);
  await again.body!.cancel();
  await stillServes();
});

test("a client that never reads its stream holds up nobody", async () => {
  const body = JSON.stringify({ prompt: "the", max_tokens: 60, stream: true, ignore_eos: true });
  const silent = await server.fetch(
    new Request("http://engram/v1/completions", { method: "POST", body }),
  );
  for (let i = 0; i < 5; i++) await stillServes();
  await silent.body!.cancel();
});
