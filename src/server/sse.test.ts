import assert from "node:assert/strict";
import test from "node:test";
import { sseResponse } from "./sse.ts";

const quiet = { pingInterval: 60_000, onCancel: () => undefined, onError: () => ({}) };

test("values become events, and the stream says that it is done", async () => {
  async function* values(): AsyncGenerator<unknown> {
    yield { text: "a\nb" };
    yield [1];
  }
  const response = sseResponse(values(), quiet);
  assert.match(response.headers.get("content-type")!, /^text\/event-stream/);
  assert.equal(await response.text(), 'data: {"text":"a\\nb"}\n\ndata: [1]\n\ndata: [DONE]\n\n');
});

test("an error in mid-stream is an event, and the stream ends regularly after it", async () => {
  async function* values(): AsyncGenerator<unknown> {
    yield 1;
    throw new Error("the disk is gone");
  }
  const onError = (error: unknown): unknown => ({ error: { message: (error as Error).message } });
  const text = await sseResponse(values(), { ...quiet, onError }).text();
  const events = text.split("\n\n");
  assert.deepEqual(events, [
    "data: 1",
    'data: {"error":{"message":"the disk is gone"}}',
    "data: [DONE]",
    "",
  ]);
});

test("silence is broken by comments, until the client goes away and that is told", async () => {
  let isCancelled = false;
  const never: AsyncIterator<unknown> = { next: () => new Promise(() => undefined) };
  const response = sseResponse(never, {
    ...quiet,
    pingInterval: 5,
    onCancel: () => (isCancelled = true),
  });
  const reader = response.body!.getReader();
  const decoder = new TextDecoder();
  for (let i = 0; i < 2; i++)
    assert.equal(decoder.decode((await reader.read()).value), ": ping\n\n");
  await reader.cancel();
  assert.ok(isCancelled);
});

test("values are taken no faster than the client reads", async () => {
  let taken = 0;
  async function* values(): AsyncGenerator<number> {
    for (;;) yield taken++;
  }
  const reader = sseResponse(values(), quiet).body!.getReader();
  for (let i = 0; i < 10; i++) await reader.read();
  assert.ok(taken <= 13, `${taken} values taken for 10 read`);
  await reader.cancel();
});
