import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { inspect } from "node:util";
import { gzipSync } from "node:zlib";
import { rowPattern, storeConformance } from "../../../../test/conformance/store.ts";
import { writeFixture } from "../../../../test/conformance/table-fixture.ts";
import { rangeOf, type RangeServer, startRangeServer } from "../../../../test/range-server.ts";
import { FormatError, InvalidConfigError, StoreError } from "../../../errors.ts";
import { openHttpStore } from "../../index.ts";
import { type HttpStoreOptions } from "./http.ts";
import { writeTableFile } from "./node/index.ts";

const folder = await mkdtemp(join(tmpdir(), "engram-http-"));
after(() => rm(folder, { recursive: true }));

storeConformance("HTTP", {
  skipLarge: true,
  makeStore: async (fixture) => {
    const path = join(folder, "conformance.tbl");
    const fit = await writeFixture(path, fixture);
    const server = await startRangeServer(await readFile(path));
    return { store: fit(await openHttpStore(server.origin)), dispose: () => server.stop() };
  },
});

const numRows = 600;
const rowBytes = 32;
const path = join(folder, "t.tbl");
const content = new Uint8Array(numRows * rowBytes);
for (let row = 0; row < numRows; row++) content.set(rowPattern(row, rowBytes), row * rowBytes);
const spec = { format: "int8", headDim: 30, numRows, rowsPerBlock: 10 } as const;
const { rowsAt, fileBytes } = await writeTableFile(path, { ...spec, rows: [content] });
const table = new Uint8Array(await readFile(path));
/** A block's bytes, as they stand in requests and answers: rows 50..59. */
const blockBegin = rowsAt + 50 * rowBytes;
const blockEnd = blockBegin + 10 * rowBytes;
const blockRange = `bytes ${blockBegin}-${blockEnd - 1}/${fileBytes}`;
const block = table.subarray(blockBegin, blockEnd);

/** A server that answers as it should, except for the block's rows. */
function serveButBlock(misbehave: (response: ServerResponse) => unknown): Promise<RangeServer> {
  return startRangeServer(table, ({ headers }, response) => {
    if (rangeOf(headers.range)?.begin !== blockBegin) return false;
    misbehave(response);
    return true;
  });
}

const quick = { retryDelay: 1 };

async function readRow(
  url: string,
  row: number,
  options: HttpStoreOptions = {},
): Promise<Uint8Array> {
  const store = await openHttpStore(url, { ...quick, ...options });
  try {
    const into = new Uint8Array(rowBytes);
    await store.read(Uint32Array.of(row), into);
    return into;
  } finally {
    await store.close();
  }
}

test("neighbours share a request, and the sums are asked for once", async () => {
  await using server = await startRangeServer(table);
  const store = await openHttpStore(`${server.origin}/t`, quick);
  const numBefore = server.requests.length;
  const into = new Uint8Array(5 * rowBytes);
  const asked = [57, 55, 56, 70, 55];
  for (let i = 0; i < 2; i++) await store.read(Uint32Array.from(asked), into);
  for (const [i, row] of asked.entries())
    assert.deepEqual(into.slice(i * rowBytes, (i + 1) * rowBytes), rowPattern(row, rowBytes));
  const ranges = server.requests.slice(numBefore).map(({ headers }) => headers.range);
  const rows = `bytes=${blockBegin}-${rowsAt + 80 * rowBytes - 1}`;
  assert.deepEqual(ranges, [rows, `bytes=4096-${4096 + 4 * 60 - 1}`, rows]);
  await store.close();
});

const head = { "content-range": blockRange, etag: '"v1"' };
for (const [what, misbehave, expected] of [
  [
    "the whole body instead of a part",
    (r: ServerResponse) => r.writeHead(200).end(table),
    /whole body \(200\)/,
  ],
  [
    "another part",
    (r: ServerResponse) =>
      r.writeHead(206, { "content-range": `bytes 60-69/${fileBytes}` }).end(table.subarray(60, 70)),
    /the server answers with "bytes 60-69\//,
  ],
  [
    "a part of something without end",
    (r: ServerResponse) =>
      r.writeHead(206, { "content-range": blockRange.replace(/\d+$/, "9".repeat(30)) }).end(block),
    /the server answers with "bytes/,
  ],
  [
    "a part without saying which",
    (r: ServerResponse) => r.writeHead(206).end(block),
    /no content-range/,
  ],
  [
    "a short body",
    (r: ServerResponse) => r.writeHead(206, head).end(block.subarray(0, 7)),
    /7 bytes instead of 320 \(tried 3 times\)/,
  ],
  [
    "a body cut in the middle",
    (r: ServerResponse) => {
      r.writeHead(206, { ...head, "content-length": 320 });
      r.write(block.subarray(0, 3), () => r.destroy());
    },
    /bytes \d+-\d+: .*\(tried 3 times\)/,
  ],
  [
    "a long body",
    (r: ServerResponse) => r.writeHead(206, head).end(table),
    /more than 320 bytes instead of 320$/,
  ],
  [
    "a long body that says so",
    (r: ServerResponse) => r.writeHead(206, { ...head, "content-length": 1e12 }).write(block),
    /has 1000000000000 bytes instead of 320$/,
  ],
  [
    "a body without end",
    (r: ServerResponse) => {
      r.writeHead(206, head);
      const more = (): void => {
        if (!r.destroyed) r.write(table, () => setImmediate(more));
      };
      more();
    },
    /more than 320 bytes instead of 320$/,
  ],
  [
    "a compressed body",
    (r: ServerResponse) =>
      r.writeHead(206, { ...head, "content-encoding": "gzip" }).end(gzipSync(block)),
    /encodes the range as gzip/,
  ],
  [
    "an error page",
    (r: ServerResponse) => r.writeHead(503).end("busy"),
    /503 Service Unavailable \(tried 3 times\)/,
  ],
  ["that it is gone", (r: ServerResponse) => r.writeHead(404).end("?"), /404 Not Found$/],
  [
    "another version of the table",
    (r: ServerResponse) => r.writeHead(206, { ...head, etag: '"v2"' }).end(block),
    /changed since it was opened.*"v1".*"v2"/,
  ],
  [
    "a table of another size",
    (r: ServerResponse) =>
      r
        .writeHead(206, { "content-range": blockRange.replace(/\d+$/, "999999"), etag: '"v1"' })
        .end(block),
    /changed since it was opened.*999999 bytes/,
  ],
  [
    "right headers and wrong bytes",
    (r: ServerResponse) => r.writeHead(206, head).end(block.map((byte, i) => byte ^ +(i === 99))),
    /block 5 \(rows 50\.\.59, .*does not match its checksum/,
  ],
  [
    "right headers and zeros",
    (r: ServerResponse) => r.writeHead(206, head).end(new Uint8Array(block.length)),
    /block 5 .*does not match its checksum/,
  ],
  [
    "the rows of other rows",
    (r: ServerResponse) => r.writeHead(206, head).end(table.subarray(rowsAt, rowsAt + 320)),
    /block 5 .*does not match its checksum/,
  ],
] as const)
  test(`a server that answers with ${what} is refused by name`, async () => {
    await using server = await serveButBlock(misbehave);
    const url = `${server.origin}/t.tbl`;
    await assert.rejects(
      readRow(url, 55),
      (error) =>
        error instanceof StoreError && error.message.includes(url) && expected.test(error.message),
    );
  });

test("bytes that were right once are checked again", async () => {
  let isWrong = false;
  await using server = await startRangeServer(table, ({ headers }, response) => {
    const range = rangeOf(headers.range);
    if (!isWrong || range === undefined) return false;
    const part = table.slice(range.begin, range.end);
    part[5]! ^= 1;
    const contentRange = `bytes ${range.begin}-${range.end - 1}/${fileBytes}`;
    response.writeHead(206, { "content-range": contentRange, etag: '"v1"' }).end(part);
    return true;
  });
  const store = await openHttpStore(server.origin, quick);
  const into = new Uint8Array(rowBytes);
  await store.read(Uint32Array.of(55), into);
  await store.verify();
  isWrong = true;
  await assert.rejects(store.read(Uint32Array.of(55), into), /block 5 .*checksum/);
  await assert.rejects(store.verify(), StoreError);
  await store.close();
});

test("a table that changed is refused by its date, where the server has no other word for its version", async () => {
  let date = "Fri, 27 Nov 2026 10:00:00 GMT";
  await using server = await startRangeServer(table, ({ headers }, response) => {
    const { begin, end } = rangeOf(headers.range)!;
    const contentRange = `bytes ${begin}-${end - 1}/${fileBytes}`;
    response.writeHead(206, { "content-range": contentRange, "last-modified": date });
    response.end(table.subarray(begin, end));
    return true;
  });
  const store = await openHttpStore(server.origin, quick);
  date = "Fri, 27 Nov 2026 11:00:00 GMT";
  await assert.rejects(store.read(Uint32Array.of(1), new Uint8Array(rowBytes)), /has changed/);
  await store.close();
});

for (const [what, bytes, expected] of [
  ["a table that was cut", table.subarray(0, -1), /truncated/],
  ["something else", new Uint8Array(5000), /not a table file/],
  [
    "a table with a damaged header",
    table.map((byte, i) => byte ^ +(i === 33)),
    /header is damaged/,
  ],
  [
    "a table with damaged sums",
    table.map((byte, i) => byte ^ +(i === 4100)),
    /list of checksums is damaged/,
  ],
] as const)
  test(`${what} is refused when it is opened`, async () => {
    await using server = await startRangeServer(bytes);
    await assert.rejects(
      openHttpStore(server.origin, quick),
      (error) => error instanceof FormatError && expected.test(error.message),
    );
  });

test("a server that does not know ranges, and other schemes, are found when the table is opened", async () => {
  await using server = await startRangeServer(table, (_request, response) => {
    response.writeHead(200).end(table);
    return true;
  });
  await assert.rejects(openHttpStore(server.origin, quick), /does not know ranges/);
  for (const url of ["ftp://x/y", "file:///etc/passwd", "nothing"])
    await assert.rejects(openHttpStore(url, quick), InvalidConfigError);
});

test("what fails twice and then works is an answer", async () => {
  await using server = await startRangeServer(table, (_request, response) => {
    if (server.requests.length === 2) response.writeHead(503).end();
    else if (server.requests.length === 3) response.destroy();
    else return false;
    return true;
  });
  assert.deepEqual(await readRow(server.origin, 42), rowPattern(42, rowBytes));
});

for (const [what, start] of [
  ["says nothing", () => undefined],
  [
    "gives a byte now and then",
    (r: ServerResponse) => {
      r.writeHead(206, head);
      const timer = setInterval(() => r.write(Uint8Array.of(1)), 5);
      r.on("close", () => clearInterval(timer));
    },
  ],
] as const)
  test(`a server that ${what} is given up after the time limit, by name`, async () => {
    await using server = await serveButBlock(start);
    await assert.rejects(
      readRow(server.origin, 55, { timeout: 200, retries: 1 }),
      /no answer within 200 ms.*2 times/,
    );
  });

test("closing gives up what is under way", async () => {
  await using server = await serveButBlock(() => undefined);
  const store = await openHttpStore(server.origin, quick);
  const reading = store.read(Uint32Array.of(55), new Uint8Array(rowBytes));
  await store.close();
  await assert.rejects(
    reading,
    (error) => error instanceof StoreError && /closed while it was read/.test(error.message),
  );
});

/** A server that sends every request elsewhere. */
function redirectTo(location: () => string, status = 302): Promise<RangeServer> {
  return startRangeServer(table, ({ url }, response) => {
    if (url === "/end") return false;
    response.writeHead(status, { location: location() }).end("elsewhere");
    return true;
  });
}

for (const status of [301, 302, 303, 307, 308])
  test(`no header of the caller follows a redirect (${status}) to another origin`, async () => {
    await using other = await startRangeServer(table);
    await using server = await redirectTo(() => `${other.origin}/t`, status);
    const headers = { authorization: "Bearer secret", "x-api-key": "secret", cookie: "a=secret" };
    assert.deepEqual(
      await readRow(`${server.origin}/t`, 42, { headers }),
      rowPattern(42, rowBytes),
    );
    assert.ok(server.requests.every((request) => request.headers["x-api-key"] === "secret"));
    assert.ok(other.requests.length > 2);
    for (const request of other.requests)
      assert.ok(!JSON.stringify(request.rawHeaders).includes("secret"), `${request.rawHeaders}`);
  });

test("within their origin headers follow a redirect; without headers every redirect is followed", async () => {
  await using server = await redirectTo(() => "/end");
  await readRow(`${server.origin}/t`, 42, { headers: { "x-api-key": "secret" } });
  assert.ok(server.requests.every(({ headers }) => headers["x-api-key"] === "secret"));
  await using other = await redirectTo(() => `${server.origin}/t`);
  assert.deepEqual(await readRow(`${other.origin}/t`, 42), rowPattern(42, rowBytes));
});

test("redirects in a circle, to other schemes and from https to http are refused", async () => {
  await using server = await redirectTo(() => `${server.origin}/again`);
  const headers = { "x-api-key": "secret" };
  await assert.rejects(readRow(server.origin, 1, { headers }), /redirected more than 5 times/);
  // No certificates here: `fetch` is played. What it sees is what a server would have been sent.
  for (const location of ["http://plain.example/t?sign=secret", "file:///t", "//"]) {
    const seen: string[] = [];
    const play = (async (url: string) => {
      seen.push(url);
      return new Response(null, { status: 302, headers: { location } });
    }) as typeof fetch;
    for (const some of [headers, {}])
      await assert.rejects(
        openHttpStore("https://a.example/t", { fetch: play, headers: some }),
        (error) => error instanceof StoreError && /that is not followed/.test(error.message),
      );
    assert.deepEqual(seen, ["https://a.example/t", "https://a.example/t"]);
  }
  const led = new Response(null, { status: 206 });
  Object.defineProperties(led, {
    redirected: { value: true },
    url: { value: "http://plain.example/t" },
  });
  await assert.rejects(
    openHttpStore("https://a.example/t", { fetch: async () => led }),
    /from https: to http:\/\/plain\.example\/t; that is not followed/,
  );
});

test("a password in an address is sent as a header, and no error shows it or a signature", async () => {
  await using server = await startRangeServer(table);
  const url = server.origin.replace("//", "//us%40er:pass%3Aword@");
  await readRow(`${url}/t`, 3);
  const expected = `Basic ${Buffer.from("us@er:pass:word").toString("base64")}`;
  assert.ok(server.requests.every(({ headers }) => headers.authorization === expected));
  await server.stop();
  for (const [failing, headers] of [
    [`${url}/t?signature=pass%3Aword`, {}],
    ["ftp://us:pass:word@x", {}],
    ["pass:word", {}],
    ["http://x", { "x-api-key": "pass:word\n\n-" }],
  ] as const)
    await assert.rejects(openHttpStore(failing, { headers, retries: 0 }), (error: Error) => {
      assert.ok(!/pass(:|%3A)word|cGFzczp3b3Jk/.test(inspect(error, { depth: 9 })), inspect(error));
      return true;
    });
});
