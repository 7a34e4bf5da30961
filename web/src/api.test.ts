import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiFailure, getJson, streamJson, useTransport } from "./api.ts";

Object.assign(globalThis, { document: { baseURI: "http://localhost/page/" } });

/** What a body of this text is answered with; it breaks off behind it, or ends. */
function answerWith(text: string, { isBroken = false } = {}): void {
  useTransport(async () => {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode(text)),
      // Not before what came has been read.
      pull: (controller) =>
        isBroken ? controller.error(new TypeError("network error")) : controller.close(),
    });
    return new Response(body);
  });
}

async function all(): Promise<unknown[]> {
  const found: unknown[] = [];
  try {
    for await (const one of streamJson("v1/completions", { body: {} })) found.push(one);
  } catch (error) {
    assert.ok(error instanceof ApiFailure, String(error));
    found.push(error.code);
  }
  return found;
}

test("a stream that breaks off, or ends before its end, has failed; what came of it came", async () => {
  answerWith("data: 1\n\ndata: [DONE]\n\n");
  assert.deepEqual(await all(), [1]);
  answerWith("data: 1\n\n", { isBroken: true });
  assert.deepEqual(await all(), [1, "unreachable"]);
  answerWith("data: 1\n\n");
  assert.deepEqual(await all(), [1, "unreachable"]);
  answerWith('data: {"error":{"message":"no room","code":"full"}}\n\n');
  assert.deepEqual(await all(), ["full"]);
});

test("an answer of which half came has failed", async () => {
  for (const isBroken of [false, true]) {
    answerWith('{"a":', { isBroken });
    await assert.rejects(getJson("props"), { code: "unreachable" });
  }
});

test("another transport says itself why there is no answer; what was aborted was aborted", async () => {
  useTransport(() => Promise.reject(new Error("the worker has ended")));
  await assert.rejects(getJson("props"), { code: "unreachable", message: "the worker has ended" });
  useTransport(async (_, { signal }) => {
    signal!.throwIfAborted();
    return new Response("{}");
  });
  await assert.rejects(getJson("props", { signal: AbortSignal.abort() }), { name: "AbortError" });
});
