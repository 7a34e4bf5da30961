import assert from "node:assert/strict";
import { appendFile, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { servedModel } from "../../test/models/served-model.ts";
import { InvalidConfigError } from "../errors.ts";
import { Model } from "../opened-model.ts";
import { openRuns } from "../training/node/index.ts";
import { createDashboard, createServer, type EngramServer, routes } from "./index.ts";

const model = await servedModel();
const friend = "http://friend.example";
const plain = createServer(model);
const friendly = createServer(model, { corsOrigins: [friend] });
const open = createServer(model, { corsOrigins: ["*"] });
const keyed = createServer(model, { apiKey: "hush", corsOrigins: [friend] });
const servers = [plain, friendly, open, keyed];
await Promise.all(servers.map(({ ready }) => ready));
after(async () => {
  for (const server of servers) await server.close();
  await model.close();
});

/** A request as it reaches the server: `body` as whatever it is sent as. */
async function ask(
  to: Pick<EngramServer, "fetch">,
  path: string,
  {
    headers = {},
    body,
    method,
  }: { headers?: Record<string, string>; body?: string; method?: string },
) {
  const response = await to.fetch(
    new Request(`http://localhost:8080${path}`, {
      method: method ?? (body === undefined ? "GET" : "POST"),
      headers,
      ...(body !== undefined && { body }),
    }),
  );
  return { status: response.status, headers: response.headers, text: await response.text() };
}

const prompt = JSON.stringify({ prompt: "the", max_tokens: 1 });
const corpus = JSON.stringify({ text: "the cat" });

/** What browsers send along with a request of a page that stands at another origin. */
const foreign: readonly Record<string, string>[] = [
  { origin: "http://evil.example" },
  { origin: "https://localhost:8081" },
  { origin: "http://localhost" },
  { origin: "null" },
  { origin: "http://evil.example", "sec-fetch-site": "cross-site" },
  { origin: "http://localhost:3000", "sec-fetch-site": "same-site" },
  // An image, a script, a frame: without an Origin.
  { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image" },
  { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe" },
  { "sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "script" },
];

test("a page of another origin makes no route work, whatever it calls its body", async () => {
  for (const headers of foreign)
    for (const { method, path } of routes) {
      const body = path === "/engram/corpus" ? corpus : prompt;
      const { status, text } = await ask(plain, path.replace("{name}", "served"), {
        headers: { ...headers, "content-type": "text/plain" },
        ...(method === "post" && { body }),
      });
      assert.equal(status, 403, `${method} ${path} ${JSON.stringify(headers)}`);
      assert.equal(JSON.parse(text).error.code, "origin_not_allowed");
      assert.match(text, /--cors-origins/);
    }
  const { text } = await ask(plain, "/metrics", {});
  assert.match(text, /engram_prompt_tokens_total\{[^}]*\} 0\n/, "nothing was done and hidden");
});

test("its preflight is refused, and so is all it asks of a dashboard", async () => {
  const headers = { origin: "http://evil.example", "access-control-request-method": "POST" };
  const preflight = { headers, method: "OPTIONS" };
  for (const server of [plain, friendly, keyed])
    assert.equal((await ask(server, "/v1/completions", preflight)).status, 403);
  const dashboard = createDashboard({ runs: [], version: "0" });
  for (const path of ["/", "/engram/runs", "/version"])
    assert.equal((await ask(dashboard, path, { headers })).status, 403, path);
});

for (const [what, headers] of [
  ["a program, which says nothing", {}],
  ["curl -d, which calls it a form", { "content-type": "application/x-www-form-urlencoded" }],
  ["a program that calls it text", { "content-type": "text/plain" }],
  ["the server's own page", { origin: "http://localhost:8080", "sec-fetch-site": "same-origin" }],
  ["its own page in an older browser", { origin: "http://localhost:8080" }],
  // A proxy asks by its own name; the browser knows better.
  [
    "its own page behind a proxy",
    { origin: "https://models.example", "sec-fetch-site": "same-origin" },
  ],
  ["its own page behind a proxy that ends TLS", { origin: "https://localhost:8080" }],
] as const)
  test(`JSON is read from ${what}`, async () => {
    const { status, text } = await ask(plain, "/v1/completions", { headers, body: prompt });
    assert.equal(status, 200, text);
  });

test("a link that a person follows opens the page it leads to", async () => {
  const headers = {
    "sec-fetch-site": "cross-site",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
  };
  assert.equal((await ask(plain, "/version", { headers })).status, 200);
  const body = prompt;
  assert.equal((await ask(plain, "/v1/completions", { headers, body })).status, 403);
});

test("pages of origins that are listed may ask, and read what they are refused for", async () => {
  const headers = { origin: friend, "sec-fetch-site": "cross-site" };
  for (const server of [friendly, open]) {
    const { status, headers: got } = await ask(server, "/v1/completions", {
      headers,
      body: prompt,
    });
    assert.equal(status, 200);
    assert.match(got.get("access-control-allow-origin")!, /^(\*|http:\/\/friend\.example)$/);
  }
  const refused = await ask(keyed, "/v1/completions", { headers, body: prompt });
  assert.equal(refused.status, 401);
  assert.equal(refused.headers.get("access-control-allow-origin"), friend);
});

test("origins that no browser would send are refused at the start", () => {
  for (const origin of ["friend.example", "http://friend.example/x", "http://a b", "", "file:///a"])
    assert.throws(() => createServer(model, { corsOrigins: [origin] }), InvalidConfigError, origin);
  // As the browser writes it: lower case, no default port.
  const spelled = createServer(model, { corsOrigins: ["http://FRIEND.example:80/"] });
  return spelled.close();
});

test("a key that a header cannot carry is refused at the start", () => {
  for (const apiKey of ["", " hush", "hush ", "hush\n", "hu\u0000sh", "schlüssel", "鍵", "a\tb"]) {
    assert.throws(
      () => createServer(model, { apiKey }),
      InvalidConfigError,
      JSON.stringify(apiKey),
    );
  }
});

test("no answer says where on this machine anything lies", async () => {
  const secret = await mkdtemp(join(tmpdir(), "secret-place-"));
  try {
    const run = join(secret, "one", "tiny");
    const other = join(secret, "two", "tiny");
    for (const directory of [run, other]) await mkdir(directory, { recursive: true });
    await appendFile(join(run, "metrics.jsonl"), '{"step":1,"loss":1}\n');
    const { tokenizer, language } = model;
    const hidden = new Model(join(secret, "served"), { tokenizer, language, ownsBackend: false });
    const runs = openRuns([run, other]);
    const failures: unknown[] = [];
    const page = (): Promise<never> => Promise.reject(new Error(`${secret}/index.html is missing`));
    const onError = (error: unknown): unknown => failures.push(error);
    const server = createServer(hidden, { runs, page, onError });
    await server.ready;
    const dashboard = createDashboard({ runs, page, version: "0", onError });
    const paths = [
      ...routes.map(({ path }) => path.replace("{name}", "served")),
      "/",
      "/favicon.svg",
      "/engram/runs/log?run=one/tiny",
      "/engram/runs/log?run=one/tiny&cursor=x",
      "/engram/memory/rows?layer=1&from=0&to=4&bins=1",
      "/nothing",
    ];
    for (const path of paths)
      for (const to of [server, dashboard])
        for (const body of [
          undefined,
          "{}",
          prompt,
          corpus,
          '{"text":"a"}',
          '{"layer":9,"rows":[1]}',
        ]) {
          const { text, headers } = await ask(to, path, body === undefined ? {} : { body });
          assert.ok(!`${text}${JSON.stringify([...headers])}`.includes("secret-place"), text);
        }
    const { text } = await ask(server, "/engram/runs/log?run=one/tiny", {});
    assert.deepEqual(JSON.parse(text).lines, [{ step: 1, loss: 1 }], "the runs are there");
    assert.ok(failures.length > 0, "whoever runs the server is told what the client is not");
    await server.close();
  } finally {
    await rm(secret, { recursive: true, force: true });
  }
});
