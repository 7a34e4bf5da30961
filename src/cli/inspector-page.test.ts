import assert from "node:assert/strict";
import { test } from "node:test";
import { createServer } from "../server/index.ts";
import { servedModel } from "../../test/models/served-model.ts";
import { inspectorPage } from "./inspector-page.ts";

const page = await inspectorPage({ note: () => undefined });

test("the whole page, every view of it, is below 150 kB of gzip", () => {
  let bytes = 0;
  for (const file of page.values()) bytes += (file.gzip ?? file.bytes).length;
  assert.ok(bytes > 10_000 && bytes < 150_000, `${bytes} bytes`);
});

test("its document names files that exist, and nothing inline", () => {
  const html = new TextDecoder().decode(page.get("index.html")!.bytes);
  const names = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, name]) => name!);
  assert.ok(names.length >= 3);
  for (const name of names) assert.ok(page.has(name.replace(/^\.\//, "")), name);
  assert.doesNotMatch(html, /<style|<script(?![^>]*\bsrc=)|\bstyle=|\bon[a-z]+=/);
});

test("it is served with types and a policy, packed for who can unpack, and without the key", async () => {
  const model = await servedModel();
  const server = createServer(model, { apiKey: "secret", page: async () => page });
  await server.ready;
  const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
    server.fetch(new Request(`http://127.0.0.1${path}`, { headers }));
  try {
    for (const [path, file] of page) {
      const plain = await get(path === "index.html" ? "/" : `/${path}`);
      assert.equal(plain.status, 200, path);
      assert.equal(plain.headers.get("content-type"), file.type);
      assert.match(plain.headers.get("content-security-policy")!, /default-src 'none'/);
      assert.deepEqual(new Uint8Array(await plain.arrayBuffer()), file.bytes);
      const isHashed = path.startsWith("assets/");
      assert.equal(/immutable/.test(plain.headers.get("cache-control")!), isHashed);
    }
    const packed = await get("/", { "accept-encoding": "br, gzip" });
    assert.equal(packed.headers.get("content-encoding"), "gzip");
    assert.deepEqual(new Uint8Array(await packed.arrayBuffer()), page.get("index.html")!.gzip);
    assert.equal((await get("/props")).status, 401);
    for (const path of ["/assets/../../package.json", "/assets/%2e%2e/%2e%2e/package.json"])
      assert.notEqual((await get(path)).status, 200, path);
    assert.equal((await get("/assets/none.js")).status, 404);
  } finally {
    await server.close();
    await model.close();
  }
});

test("a page that cannot be had is told of, and asked for again", async () => {
  const model = await servedModel();
  let asked = 0;
  const told: unknown[] = [];
  const server = createServer(model, {
    onError: (error) => told.push(error),
    page: async () => {
      if (asked++ === 0) throw new Error("nobody built it");
      return page;
    },
  });
  await server.ready;
  try {
    const first = await server.fetch(new Request("http://127.0.0.1/"));
    assert.equal(first.status, 503);
    const { error } = (await first.json()) as { error: { message: string; code: string } };
    // Why is told to whoever runs the server: it names files of this machine.
    assert.match(error.message, /log says why/);
    assert.match(String(told), /nobody built it/);
    assert.equal(error.code, "no_page");
    assert.equal((await server.fetch(new Request("http://127.0.0.1/"))).status, 200);
  } finally {
    await server.close();
    await model.close();
  }
});
