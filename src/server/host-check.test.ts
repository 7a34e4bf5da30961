import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import test, { after } from "node:test";
import { servedModel } from "../../test/models/served-model.ts";
import { createServer } from "./index.ts";
import { listen } from "./node/index.ts";

const model = await servedModel();
const local = createServer(model, { isLoopback: true });
const keyed = createServer(model, { isLoopback: true, apiKey: "hush" });
const open = createServer(model);
await Promise.all([local.ready, keyed.ready, open.ready]);
const listener = await listen(local.fetch, { host: "127.0.0.1", port: 0 });
after(async () => {
  listener.destroy();
  await Promise.all([local.close(), keyed.close(), open.close()]);
});

/** A request over the socket with a Host of our choosing, which `fetch` would not send. */
function ask(host: string, headers: Record<string, string> = {}) {
  return new Promise<{ status: number; body: string }>((resolve, reject) => {
    const sent = httpRequest(
      { port: listener.port, path: "/v1/models", headers: { ...headers, host } },
      (response) => {
        let body = "";
        response.setEncoding("utf8").on("data", (part: string) => (body += part));
        response.on("end", () => resolve({ status: response.statusCode!, body }));
      },
    );
    sent.on("error", reject).end();
  });
}

for (const host of [
  "localhost",
  "LOCALHOST:8080",
  "localhost.",
  "engram.localhost:1",
  "127.0.0.1",
  "127.8.9.10:65535",
  "[::1]",
  "[::1]:8080",
])
  test(`a server on loopback answers as ${host}`, async () => {
    assert.equal((await ask(host)).status, 200);
  });

for (const host of [
  "evil.example",
  "evil.example:8080",
  "localhost.evil.example",
  "127.0.0.1.evil.example",
  "127.0.0.1@evil.example",
  "127.0.0.999",
  "10.0.0.1",
  "[::2]",
  "notlocalhost",
  "0.0.0.0",
])
  test(`a server on loopback refuses to answer as ${host}`, async () => {
    const { status, body } = await ask(host);
    // Node's own parser refuses what is no host at all.
    if (host.includes("@") && status === 400) return;
    assert.equal(status, 403, body);
    const { error } = JSON.parse(body);
    assert.deepEqual(Object.keys(error), ["message", "type", "param", "code"]);
    assert.equal(error.type, "permission_error");
    assert.equal(error.code, "host_not_allowed");
    assert.match(error.message, /--api-key/);
  });

test("a page's preflight by another name is refused as the request would be", async () => {
  const lured = createServer(model, { isLoopback: true, corsOrigins: ["*"] });
  await lured.ready;
  const request = new Request("http://evil.example/v1/completions", {
    method: "OPTIONS",
    headers: { origin: "http://evil.example", "access-control-request-method": "POST" },
  });
  assert.equal((await lured.fetch(request)).status, 403);
  await lured.close();
});

test("with a key any name will do, and so it does on other addresses", async () => {
  const headers = { authorization: "Bearer hush" };
  const byName = (): Request => new Request("http://models.example/v1/models", { headers });
  assert.equal((await keyed.fetch(byName())).status, 200);
  assert.equal((await keyed.fetch(new Request("http://models.example/v1/models"))).status, 401);
  assert.equal((await open.fetch(byName())).status, 200);
});
