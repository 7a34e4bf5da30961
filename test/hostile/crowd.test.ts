/**
 * Good clients among bad ones: slow, broken and hostile clients of every kind come and go while eight
 * others stream, and those notice nothing. `bench/serve-load.ts` does the same for a minute.
 */
import assert from "node:assert/strict";
import test, { after } from "node:test";
import { createServer, listen } from "../../src/index-server.ts";
import { libraryText, servedModel } from "../models/served-model.ts";
import { startBadClients } from "./bad-clients.ts";

const model = await servedModel();
const failures: unknown[] = [];
const server = createServer(model, {
  parallel: 4,
  maxQueue: 500,
  onError: (error) => failures.push(error),
});
const listener = await listen(server.fetch, { host: "127.0.0.1", port: 0 });
await server.ready;
after(async () => {
  listener.destroy();
  await server.close();
  await model.close();
});

/** The text of a streamed completion, every event of it in order. */
async function streamed(prompt: string): Promise<string> {
  const response = await fetch(`${listener.url}/v1/completions`, {
    method: "POST",
    body: JSON.stringify({ prompt, temperature: 0, max_tokens: 8, stream: true }),
  });
  assert.equal(response.status, 200);
  const body = await response.text();
  assert.ok(body.endsWith("data: [DONE]\n\n"), body.slice(-200));
  const events = body.split("\n\n").slice(0, -2);
  return events.map((event) => JSON.parse(event.slice(6)).choices[0].text as string).join("");
}

test("eight clients get their own texts, whole, among clients that are slow, broken or hostile", async () => {
  const bad = startBadClients(listener.port);
  const prompts = Array.from({ length: 32 }, (_, i) => `the ${"cat ".repeat(i % 5)}${i}`);
  const texts = new Map<string, string>();
  const left = [...prompts];
  const client = async (): Promise<void> => {
    for (let prompt = left.pop(); prompt !== undefined; prompt = left.pop())
      texts.set(prompt, await streamed(prompt));
  };
  await Promise.all(Array.from({ length: 8 }, client));
  const counts = await bad.stop();
  assert.ok(Object.keys(counts).length === 10, JSON.stringify(counts));
  let same = 0;
  for (const prompt of prompts)
    if (texts.get(prompt) === (await libraryText(model, prompt, { temperature: 0, maxTokens: 8 })))
      same++;
  // As in `serve-clients.test.ts`: near-ties may fall the other way in a batch.
  assert.ok(same >= 31, `${same} of 32 texts are the library's`);
  assert.deepEqual(failures, []);
  await server.drain();
  assert.equal(
    (await server.fetch(new Request("http://localhost/health"))).status,
    200,
    "drained, not broken",
  );
});
