/**
 * Requests that take a server long: what takes long is done by workers, and while one is at it, others are answered.
 */
import assert from "node:assert/strict";
import test, { after } from "node:test";
import { createServer } from "../../src/index-server.ts";
import { startServerWorker } from "../../src/server/node/index.ts";
import { startTokenizerWorker } from "../../src/tokenizer/node/index.ts";
import type { StartWorker } from "../../src/worker/index.ts";
import { servedModel } from "../models/served-model.ts";
import { endlessTemplate, slowRequests } from "./slow-requests.ts";

/** Tasks that workers were given, each with the status of a request that came right behind it. */
const seen: { task: string; others: Promise<{ status: number; isBefore: boolean }> }[] = [];
let isOver = false;

async function askHealth(): Promise<{ status: number; isBefore: boolean }> {
  const { status } = await server.fetch(new Request("http://engram/health"));
  return { status, isBefore: !isOver };
}

function watched(start: StartWorker): StartWorker {
  return (handlers) => {
    const thread = start(handlers);
    return {
      ...thread,
      post(message, transfer) {
        thread.post(message, transfer);
        seen.push({ task: (message as { task: string }).task, others: askHealth() });
      },
    };
  };
}

const model = await servedModel({
  withChat: true,
  template: endlessTemplate,
  startWorker: watched(startTokenizerWorker),
});
const server = createServer(model, { startWorker: watched(startServerWorker) });
await server.ready;
after(async () => {
  await server.close();
  await model.close();
});

for (const [what, { path, body, tasks }] of Object.entries(slowRequests))
  test(`${what}: others are answered before that ends`, async () => {
    seen.length = 0;
    isOver = false;
    const request = new Request(`http://engram${path}`, { method: "POST", body: body() });
    const response = await server.fetch(request);
    const text = await response.text();
    isOver = true;
    if (response.status !== 200) {
      assert.ok([400, 413].includes(response.status), text.slice(0, 200));
      assert.ok(JSON.parse(text).error.message.length < 300, text.slice(0, 400));
    }
    const jobs = seen.filter(({ task }) => task !== "read" && task !== "setTemplate");
    assert.deepEqual(
      jobs.map(({ task }) => task),
      tasks,
    );
    for (const { others } of jobs) assert.deepEqual(await others, { status: 200, isBefore: true });
  });
