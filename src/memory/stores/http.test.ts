import assert from "node:assert/strict";
import { createServer, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { rowPattern, storeConformance } from "../../../test/conformance/store.ts";
import { EngramError, FormatError, StoreError } from "../../errors.ts";
import { openHttpStore } from "../index.ts";

/** A server on a free port of the loopback. */
async function serve(listener: RequestListener): Promise<{ url: string; stop(): Promise<void> }> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const stop = (): Promise<void> => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(() => resolve()));
  };
  return { url: `http://127.0.0.1:${port}/table.bin`, stop };
}

/** Answers a range of `bytes` as a server should. */
function sendRange(bytes: Uint8Array, range: string | undefined, response: ServerResponse): void {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? "") ?? [];
  if (first === undefined) {
    response.writeHead(200).end(bytes);
    return;
  }
  const part = bytes.subarray(Number(first), Number(last) + 1);
  response
    .writeHead(206, {
      "content-range": `bytes ${first}-${last}/${bytes.length}`,
      "content-length": part.length,
      etag: '"v1"',
    })
    .end(part);
}

for (const offset of [0, 77])
  storeConformance(`HTTP, rows from byte ${offset}`, {
    skipLarge: true,
    makeStore: async ({ numRows, rowBytes, rows }) => {
      const bytes = new Uint8Array(offset + numRows * rowBytes);
      for (const [row, content] of rows) bytes.set(content, offset + row * rowBytes);
      const { url, stop } = await serve((request, response) =>
        sendRange(bytes, request.headers.range, response),
      );
      return { store: await openHttpStore(url, { rowBytes, numRows, offset }), dispose: stop };
    },
  });

const table = new Uint8Array(100 * 10);
for (let row = 0; row < 100; row++) table.set(rowPattern(row, 10), row * 10);

/** Opens a store on a server whose `misbehave` may answer a request itself, by returning true. */
async function withServer(
  misbehave: (range: string, response: ServerResponse, request: number) => boolean,
  body: (url: string, ranges: string[]) => Promise<void>,
): Promise<void> {
  const ranges: string[] = [];
  const { url, stop } = await serve((request, response) => {
    const range = request.headers.range ?? "";
    ranges.push(range);
    if (!misbehave(range, response, ranges.length)) sendRange(table, range, response);
  });
  try {
    await body(url, ranges);
  } finally {
    await stop();
  }
}

const quick = { rowBytes: 10, retryDelay: 1 };

async function readRow(url: string, row: number, options = {}): Promise<Uint8Array> {
  const store = await openHttpStore(url, { ...quick, ...options });
  const into = new Uint8Array(10);
  await store.read(Uint32Array.of(row), into);
  await store.close();
  return into;
}

test("the number of rows comes from the resource's size, and neighbours share a request", async () => {
  await withServer(
    () => false,
    async (url, ranges) => {
      const store = await openHttpStore(url, quick);
      assert.equal(store.numRows, 100);
      await store.read(Uint32Array.of(7, 5, 6, 20, 5), new Uint8Array(50));
      assert.deepEqual(ranges, ["bytes=0-0", "bytes=50-209"]);
      await store.close();
    },
  );
});

for (const [what, misbehave, expected] of [
  [
    "the whole body instead of a part",
    (r: ServerResponse) => r.writeHead(200).end(table),
    /whole body \(200\)/,
  ],
  [
    "another part",
    (r: ServerResponse) =>
      r.writeHead(206, { "content-range": "bytes 60-69/1000" }).end(table.subarray(60, 70)),
    /bytes 50-59: the server answers with "bytes 60-69\/1000"/,
  ],
  [
    "a part without saying which",
    (r: ServerResponse) => r.writeHead(206).end(table.subarray(50, 60)),
    /no content-range/,
  ],
  [
    "a short body",
    (r: ServerResponse) =>
      r.writeHead(206, { "content-range": "bytes 50-59/1000" }).end(table.subarray(50, 57)),
    /7 bytes instead of 10 \(tried 3 times\)/,
  ],
  [
    "a body cut in the middle",
    (r: ServerResponse) => {
      r.writeHead(206, { "content-range": "bytes 50-59/1000", "content-length": 10 });
      r.write(table.subarray(50, 53), () => r.destroy());
    },
    /bytes 50-59: .*\(tried 3 times\)/,
  ],
  [
    "a long body",
    (r: ServerResponse) => r.writeHead(206, { "content-range": "bytes 50-59/1000" }).end(table),
    /1000 bytes instead of 10/,
  ],
  [
    "an error page",
    (r: ServerResponse) => r.writeHead(503).end("busy"),
    /503 Service Unavailable \(tried 3 times\)/,
  ],
  ["that it is gone", (r: ServerResponse) => r.writeHead(404).end("?"), /404 Not Found$/],
  [
    "another version of the table",
    (r: ServerResponse) =>
      r
        .writeHead(206, { "content-range": "bytes 50-59/1000", etag: '"v2"' })
        .end(table.subarray(50, 60)),
    /changed since it was opened.*"v1".*"v2"/,
  ],
  [
    "a table of another size",
    (r: ServerResponse) =>
      r
        .writeHead(206, { "content-range": "bytes 50-59/999", etag: '"v1"' })
        .end(table.subarray(50, 60)),
    /1000 bytes.*999 bytes/,
  ],
] as const)
  test(`a server that answers with ${what} is refused by name`, async () => {
    await withServer(
      (range, response) => {
        if (range === "bytes=0-0") return false;
        misbehave(response);
        return true;
      },
      (url) =>
        assert.rejects(
          readRow(url, 5),
          (error) =>
            error instanceof StoreError &&
            error.message.includes(url) &&
            expected.test(error.message),
        ),
    );
  });

test("a server that does not know ranges is found when the table is opened", async () => {
  await withServer(
    (_range, response) => {
      response.writeHead(200).end(table);
      return true;
    },
    (url) => assert.rejects(openHttpStore(url, quick), /does not know ranges/),
  );
});

test("what fails twice and then works is an answer", async () => {
  await withServer(
    (_range, response, request) => {
      if (request === 2) response.writeHead(503).end();
      else if (request === 3) response.destroy();
      else return false;
      return true;
    },
    async (url) => assert.deepEqual(await readRow(url, 42), rowPattern(42, 10)),
  );
});

test("a server that says nothing is given up after the time limit, by name", async () => {
  await withServer(
    (range) => range !== "bytes=0-0",
    (url) =>
      assert.rejects(
        readRow(url, 5, { timeout: 50, retries: 1 }),
        /no answer within 50 ms.*2 times/,
      ),
  );
});

test("closing gives up what is under way", async () => {
  await withServer(
    (range) => range !== "bytes=0-0",
    async (url) => {
      const store = await openHttpStore(url, quick);
      const reading = store.read(Uint32Array.of(3), new Uint8Array(10));
      await store.close();
      await assert.rejects(
        reading,
        (error) => error instanceof StoreError && /closed while it was read/.test(error.message),
      );
    },
  );
});

test("a truncated table, other row sizes and other schemes are refused when opened", async () => {
  await withServer(
    () => false,
    async (url) => {
      await assert.rejects(
        openHttpStore(url, { ...quick, numRows: 101 }),
        (error) => error instanceof FormatError && /1010 bytes, it has 1000/.test(error.message),
      );
      await assert.rejects(openHttpStore(url, { ...quick, rowBytes: 7 }), FormatError);
    },
  );
  await assert.rejects(openHttpStore("ftp://x/y", quick), EngramError);
});
