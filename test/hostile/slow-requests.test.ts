/**
 * Requests that take a server long: while it works on one, others are answered. Whoever works on the server's own thread
 * answers at most a few before the work begins; whoever works beside it, as many as are asked.
 */
import assert from "node:assert/strict";
import test, { after } from "node:test";
import { createServer } from "../../src/index.ts";
import { servedModel } from "../models/served-model.ts";
import { endlessTemplate, slowRequests } from "./slow-requests.ts";

const model = await servedModel({ withChat: true, template: endlessTemplate });
const server = createServer(model);
await server.ready;
after(async () => {
  await server.close();
  await model.close();
});

/** Turns of the event loop, each with a request that was answered, while a worker has a job that takes long. */
const many = 25;

for (const [what, { path, body, isRefusedEarly = false }] of Object.entries(slowRequests))
  test(`${what}: others are answered before that ends`, async () => {
    const progress = { isOver: false };
    const attack = (async () => {
      const request = new Request(`http://engram${path}`, { method: "POST", body: body() });
      const response = await server.fetch(request);
      const text = await response.text();
      progress.isOver = true;
      return { status: response.status, text };
    })();
    let answered = 0;
    while (!progress.isOver) {
      const health = await server.fetch(new Request("http://engram/health"));
      assert.equal(health.status, 200);
      if (!progress.isOver) answered++;
      await new Promise((resolve) => setImmediate(resolve));
    }
    const { status, text } = await attack;
    if (isRefusedEarly || status !== 200) {
      assert.ok([400, 413].includes(status), text.slice(0, 200));
      assert.ok(JSON.parse(text).error.message.length < 300, text.slice(0, 400));
    }
    if (!isRefusedEarly) assert.ok(answered >= many, `${answered} were answered`);
  });
