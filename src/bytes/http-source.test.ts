import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { byteSourceConformance } from "../../test/conformance/byte-source.ts";
import { sourceModel } from "../../test/conformance/source-model.ts";
import { nameIn, startRangeServer } from "../../test/range-server.ts";
import { ModelDirectory } from "../checkpoint/index.ts";
import { FormatError, InvalidConfigError, StoreError } from "../errors.ts";
import { httpSource } from "./index.ts";

const quick = { retryDelay: 1 };

byteSourceConformance("a web server", {
  model: sourceModel,
  async open(files) {
    const server = await startRangeServer(files);
    return {
      source: httpSource(`${server.origin}/models/a`, quick),
      [Symbol.asyncDispose]: () => server.stop(),
    };
  },
});

const text = new TextEncoder().encode(JSON.stringify({ model_type: "engram" }));

for (const [what, misbehave, expected] of [
  [
    "a body that is cut",
    (r: ServerResponse) => {
      r.writeHead(200, { "content-length": text.length });
      r.write(text.subarray(0, 5), () => r.destroy());
    },
    /config\.json: .*\(tried 3 times\)/,
  ],
  [
    "a body without end",
    (r: ServerResponse) => {
      r.writeHead(200);
      const more = (): void => {
        if (!r.destroyed) r.write(text, () => setImmediate(more));
      };
      more();
    },
    /config\.json is longer than 1000 bytes/,
  ],
  [
    "an error page",
    (r: ServerResponse) => r.writeHead(503).end("busy"),
    /expected 200 OK, got 503 Service Unavailable \(tried 3 times\)/,
  ],
  [
    "that it is forbidden",
    (r: ServerResponse) => r.writeHead(403).end("no"),
    /expected 200 OK, got 403 Forbidden$/,
  ],
] as const)
  test(`a server that answers with ${what} has no such file, and it is named`, async () => {
    await using server = await startRangeServer(text, (_request, response) => {
      misbehave(response);
      return true;
    });
    const source = httpSource(`${server.origin}/a`, quick);
    await assert.rejects(
      source.read("config.json", 1000),
      (error: Error) =>
        (error instanceof StoreError || error instanceof FormatError) &&
        error.message.includes(`${server.origin}/a/config.json`) &&
        expected.test(error.message),
    );
  });

test("small files may come compressed, as servers like to send text", async () => {
  await using server = await startRangeServer(text, (_request, response) => {
    response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(text));
    return true;
  });
  const source = httpSource(server.origin, quick);
  assert.deepEqual(Uint8Array.from((await source.read("config.json", 1000))!), text);
});

test("what fails twice and then works is a file", async () => {
  await using server = await startRangeServer(text, (_request, response) => {
    if (server.requests.length === 1) response.writeHead(503).end();
    else if (server.requests.length === 2) response.destroy();
    else return false;
    return true;
  });
  assert.ok(await httpSource(server.origin, quick).read("config.json", 1000));
});

test("headers and the query of the address go with every request, and into no message", async () => {
  await using server = await startRangeServer(await sourceModel());
  const headers = { "x-api-key": "secret" };
  const address = `${server.origin.replace("//", "//me:secret@")}/a/?sign=secret`;
  const source = httpSource(address, { ...quick, headers });
  await using files = await ModelDirectory.open(source);
  await files.tensors();
  assert.ok(server.requests.length > 5);
  for (const { url, headers: sent } of server.requests) {
    assert.match(url!, /^\/a\/[^/]+\?sign=secret$/);
    assert.equal(sent["x-api-key"], "secret");
    assert.match(sent.authorization!, /^Basic /);
  }
  for (const name of [source.name, source.nameOf("config.json")])
    assert.ok(!name.includes("secret"), name);
  await server.stop();
  await assert.rejects(source.read("config.json", 9), (error: Error) => {
    assert.ok(!error.message.includes("secret"), error.message);
    return error instanceof StoreError;
  });
});

test("a server whose manifest lists the files is asked for no other", async () => {
  const files = await sourceModel();
  await using server = await startRangeServer(files);
  await using model = await ModelDirectory.open(httpSource(server.origin, quick));
  assert.equal(await model.chatTemplate(), undefined);
  assert.equal(await model.corpus(), undefined);
  const asked = new Set(server.requests.map((request) => nameIn(request)));
  const isThere = (name: string): boolean => Object.hasOwn(files, name);
  assert.deepEqual(
    [...asked].filter((name) => !isThere(name)),
    [],
  );
});

test("a part that was right once is checked again, and nothing is read but what is asked for", async () => {
  const files = await sourceModel();
  let isWrong = false;
  await using server = await startRangeServer(files, (request, response) => {
    if (!isWrong || !nameIn(request).endsWith("model.safetensors")) return false;
    const [, begin, end] = /bytes=(\d+)-(\d+)/.exec(request.headers.range!)!.map(Number);
    const bytes = files["model.safetensors"]!;
    const part = bytes.slice(begin, end! + 1);
    part[part.length - 1]! ^= 1;
    const contentRange = `bytes ${begin}-${end}/${bytes.length}`;
    response.writeHead(206, { "content-range": contentRange, etag: '"v1"' }).end(part);
    return true;
  });
  await using model = await ModelDirectory.open(httpSource(server.origin, quick));
  const into = new Uint8Array(16);
  await model.readRange("w", { begin: 100_000, end: 100_016, into });
  const asked = server.requests.at(-1)!.headers.range;
  assert.equal(asked, "bytes=65536-131071", "the part of the sum that holds these bytes");
  isWrong = true;
  await assert.rejects(
    model.readRange("w", { begin: 100_000, end: 100_016, into }),
    (error) =>
      error instanceof FormatError &&
      /model\.safetensors: expected CRC-32C \w+ of bytes 65536 to 131071/.test(error.message),
  );
});

test("a page for everybody, instead of what is asked for, is no model", async () => {
  const page = new TextEncoder().encode("<!doctype html><title>Hello</title>");
  await using server = await startRangeServer(page);
  await assert.rejects(
    ModelDirectory.open(httpSource(server.origin, quick)),
    (error) => error instanceof FormatError && /manifest\.json is not JSON/.test(error.message),
  );
});

test("other schemes are refused at once", () => {
  for (const address of ["ftp://x/y", "file:///etc", "nothing"])
    assert.throws(() => httpSource(address), InvalidConfigError);
});
