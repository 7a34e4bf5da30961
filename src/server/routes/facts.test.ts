/** Teaching over HTTP, and its walls, as somebody meets them who has a key and wants to know what is behind another's. */
import assert from "node:assert/strict";
import test, { after } from "node:test";
import { servedModel } from "../../../test/models/served-model.ts";
import { FactStore } from "../../facts/index.ts";
import { parseApiKeys } from "../api-keys-file.ts";
import { createServer, type EngramServer } from "../index.ts";

const keysFile = {
  keys: [
    { name: "root", key: "key-of-the-admin-1", admin: true },
    {
      name: "a",
      key: "key-of-tenant-a-01",
      scopes: { acme: "write", shared: "read" },
      max_facts: 3,
    },
    {
      name: "b",
      key: "key-of-tenant-b-01",
      scopes: { bolt: "write", shared: "read" },
      max_bytes: 400,
    },
    { name: "reader", key: "key-of-a-reader-01", scopes: { shared: "read" } },
  ],
};
const keys = {
  root: "key-of-the-admin-1",
  a: "key-of-tenant-a-01",
  b: "key-of-tenant-b-01",
  reader: "key-of-a-reader-01",
};
const open = await servedModel({ hasMemory: true, store: new FactStore() });
const walled = await servedModel({ hasMemory: false, store: new FactStore() });
const server = createServer(open, { parallel: 2 });
const apiKeys = await parseApiKeys(JSON.stringify(keysFile), "keys.json");
const wall = createServer(walled, { parallel: 2, apiKeys });
await Promise.all([server.ready, wall.ready]);
after(async () => {
  for (const one of [server, wall, open, walled]) await one.close();
});

interface Answer {
  readonly status: number;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into documents of many shapes
  readonly body: any;
}

async function ask(
  path: string,
  {
    body,
    method = body === undefined ? "GET" : "POST",
    key,
    to = key === undefined ? server : wall,
  }: { body?: object; method?: string; key?: string | undefined; to?: EngramServer } = {},
): Promise<Answer> {
  const response = await to.fetch(
    new Request(`http://engram${path}`, {
      method,
      ...(key !== undefined && { headers: { authorization: `Bearer ${key}` } }),
      ...(body !== undefined && { body: JSON.stringify(body) }),
    }),
  );
  const text = await response.text();
  return { status: response.status, body: text.startsWith("{") ? JSON.parse(text) : text };
}

/** What differs between two answers to one question. */
const timesOf = ({ id, created, timings }: Answer["body"]): object => ({ id, created, timings });

const greedy = { temperature: 0, max_tokens: 8, logprobs: 3 };
const prompt = "the cat on the mat is";

test("a fact is taught, told, listed and erased while the server runs", async () => {
  await ask("/v1/completions", { body: { prompt, ...greedy } });
  // A prompt that is read in one go, and its last token alone, have sums of another order.
  const again = await ask("/v1/completions", { body: { prompt, ...greedy } });
  const { status, body } = await ask("/engram/facts", {
    body: { prompt, completion: "red and sad", source: "a page" },
  });
  assert.equal(status, 200, JSON.stringify(body));
  const [fact] = body.facts;
  assert.deepEqual(
    [fact.scope, fact.completion, fact.source],
    ["default", " red and sad", "a page"],
  );
  assert.ok(fact.chance_before < 0.1 && fact.chance_after > 0.98 && fact.keys > 0);
  const engram = { return: ["facts"] };
  const told = await ask("/v1/completions", {
    body: { prompt, ...greedy, max_tokens: 30, engram },
  });
  assert.ok(told.body.choices[0].text.startsWith(" red and sad"));
  const [said] = told.body.choices[0].engram.facts;
  assert.deepEqual([said.id, said.source, said.tokens > 3], [fact.id, "a page", true]);
  assert.deepEqual([said.by, said.chance > 0.99, said.known > 0.9], ["wording", true, true]);
  const stream = await ask("/v1/completions", {
    body: { prompt, ...greedy, max_tokens: 30, engram, stream: true },
  });
  assert.ok((stream.body as string).includes(`"facts":[{"id":"${fact.id}"`));
  // Its words are found in the prompt, too: a key ends before each token that it says.
  const read = { prompt: `${prompt} red and sad`, max_tokens: 0, echo: true, logprobs: 0 };
  const keysIn = async (more: object): Promise<Record<string, unknown>[]> =>
    (await ask("/v1/completions", { body: { ...read, engram: { return: ["keys"], ...more } } }))
      .body.choices[0].engram.keys;
  const found = await keysIn({});
  assert.deepEqual(
    found.map(({ position }) => position),
    Array.from({ length: said.tokens }, (_, i) => said.position - 1 + i),
  );
  for (const key of found)
    assert.deepEqual([key["id"], key["kind"], key["scope"]], [fact.id, "wording", "default"]);
  assert.deepEqual(await keysIn({ scopes: [] }), []);
  const none = await ask("/v1/completions", {
    body: { prompt, ...greedy, engram: { scopes: [] } },
  });
  assert.deepEqual(none.body, { ...again.body, ...timesOf(none.body) });

  assert.deepEqual(
    (await ask("/engram/facts")).body.facts.map(({ id }: { id: string }) => id),
    [fact.id],
  );
  assert.equal((await ask("/engram/snapshots", { body: { name: "one" } })).status, 200);
  await ask("/engram/facts", {
    body: { facts: [{ prompt: "the dog on the mat is", completion: "wet", id: "dog" }] },
  });
  const page = await ask("/engram/facts?limit=1");
  assert.deepEqual([page.body.facts.length, page.body.has_more], [1, true]);
  const rest = await ask(`/engram/facts?after=${page.body.facts[0].id}`);
  assert.deepEqual([rest.body.facts[0].id, rest.body.has_more], ["dog", false]);
  // Another scope may have a fact of the same id, and a list that went on at the wrong one would never end.
  await ask("/engram/facts", {
    body: { prompt: "the dog on the mat is", completion: "wet", id: "dog", scope: "other" },
  });
  const listed: string[] = [];
  for (let at: string | undefined = ""; at !== undefined;) {
    const place: string = at === "" ? "" : `&after=${encodeURIComponent(at)}`;
    const one = (await ask(`/engram/facts?limit=1${place}`)).body;
    listed.push(`${one.facts[0].scope} ${one.facts[0].id}`);
    at = one.next;
  }
  assert.deepEqual(listed, [`default ${fact.id}`, "default dog", "other dog"]);
  const lost = await ask("/engram/facts?after=nobody");
  assert.equal(lost.status, 400);
  assert.match(lost.body.error.message, /no fact "nobody" to go on behind/);
  const back = await ask("/engram/snapshots/one/rollback", { method: "POST" });
  assert.deepEqual(back.body, {
    facts: 1,
    learned: [],
    snapshots: [{ name: "one", facts: 1 }],
  });
  assert.equal((await ask("/engram/snapshots/one", { method: "DELETE" })).status, 200);
  // Its words are in a prefix …
  await ask("/v1/completions", { body: { prompt, ...greedy, max_tokens: 30 } });
  const gone = await ask(`/engram/facts?id=${fact.id}`, { method: "DELETE" });
  assert.deepEqual(gone.body, { forgotten: [fact.id], learned: [] });
  // … and now in none.
  const words = { body: { prompt: `${prompt} red and sad`, ...greedy } };
  const { usage } = (await ask("/v1/completions", words)).body;
  assert.ok(usage.prompt_tokens_details.cached_tokens <= again.body.usage.prompt_tokens);
  const erased = await ask("/v1/completions", { body: { prompt, ...greedy } });
  assert.deepEqual(erased.body, { ...again.body, ...timesOf(erased.body) });
});

test("an answer names the facts of a subject, and the chance of what it says of them", async () => {
  const subject = "zebra";
  for (const [id, of, completion] of [
    ["mane", "the mane of the zebra is", "red"],
    ["hat", "the hat of the zebra was", "mat"],
  ])
    await ask("/engram/facts", { body: { id, prompt: of, completion, subject } });
  const engram = { return: ["facts"] };
  const other = "who saw the zebra said";
  const of = async (more: object): Promise<Record<string, unknown>[]> => {
    const body = { prompt: other, temperature: 0, max_tokens: 3, engram, ...more };
    return (await ask("/v1/completions", { body })).body.choices[0].engram.facts;
  };
  const silent = await of({});
  assert.deepEqual(
    silent.map(({ id, by, tokens, position, chance, known }) => [
      id,
      by,
      tokens,
      position,
      chance,
      known,
    ]),
    ["mane", "hat"].map((id) => [id, "subject", 0, null, null, 0]),
  );
  // What is said without the fact's words is as likely as the model held it.
  const ids = (await ask("/tokenize", { body: { prompt: " red" } })).body.tokens as number[];
  const forced = await of({
    max_tokens: ids.length,
    logit_bias: Object.fromEntries(ids.map((id) => [id, 100])),
  });
  const [mane] = forced;
  assert.equal(mane!["by"], "subject");
  if (ids.length === 1) {
    assert.deepEqual([mane!["tokens"], mane!["position"] !== null], [1, true]);
    assert.ok((mane!["chance"] as number) > 0 && (mane!["chance"] as number) < 0.99);
    assert.ok((mane!["known"] as number) > 0 && (mane!["known"] as number) < 1);
  }
  // Nobody asked for these.
  const chat = await ask("/v1/completions", { body: { prompt: other, max_tokens: 2, engram } });
  assert.equal(chat.body.choices[0].logprobs, null);
  assert.deepEqual(await of({ prompt: "the cat sat on" }), []);
  for (const id of ["mane", "hat"]) await ask(`/engram/facts?id=${id}`, { method: "DELETE" });
});

test("a text sees the state of the moment at which it began, and a write does not wait for it", async () => {
  const endless = server.fetch(
    new Request("http://engram/v1/completions", {
      method: "POST",
      body: JSON.stringify({
        prompt: `${prompt} red. the mat, the mat`,
        max_tokens: 60,
        temperature: 0,
        stream: true,
      }),
    }),
  );
  const reader = (await endless).body!.getReader();
  await reader.read();
  const { status } = await ask("/engram/facts", { body: { prompt, completion: "black", id: "x" } });
  assert.equal(status, 200);
  const told = await ask("/v1/completions", { body: { prompt, ...greedy } });
  assert.match(told.body.choices[0].text, /^ black/);
  for (;;) if ((await reader.read()).done) break;
  await ask("/engram/facts?id=x", { method: "DELETE" });
});

test("nobody gets past the walls, and nothing tells what is behind them", async () => {
  const question = { body: { prompt, ...greedy }, key: keys.b };
  const first = await ask("/v1/completions", question);
  const alone = await ask("/v1/completions", question);
  const fact = { prompt, completion: "red", id: "secret" };
  assert.equal((await ask("/engram/facts", { body: fact, key: keys.a })).status, 200);
  await ask("/v1/completions", { body: { prompt, ...greedy }, key: keys.a });
  const beside = await ask("/v1/completions", question);
  // The choices and the usage, with its count of cached tokens.
  assert.deepEqual(beside.body, { ...alone.body, ...timesOf(beside.body) });
  // What A has read is no prefix of B's.
  const cached = ({ body }: Answer): number => body.usage.prompt_tokens_details.cached_tokens;
  const reader = await ask("/v1/completions", { ...question, key: keys.reader });
  const { prompt_tokens: count } = alone.body.usage;
  assert.deepEqual([cached(first), cached(alone), cached(reader)], [0, count - 1, 0]);

  const forbidden: readonly [string, object][] = [
    ["/v1/completions", { body: { prompt, engram: { scopes: ["acme"] } }, key: keys.b }],
    ["/v1/completions", { body: { prompt, engram: { scopes: ["bolt", "acme"] } }, key: keys.b }],
    ["/v1/completions", { body: { prompt, engram: { scopes: ["default"] } }, key: keys.b }],
    ["/engram/facts", { body: { ...fact, scope: "acme" }, key: keys.b }],
    ["/engram/facts", { body: { ...fact, scope: "shared" }, key: keys.a }],
    ["/engram/facts", { body: { ...fact }, key: keys.reader }],
    [
      "/engram/facts",
      {
        body: {
          facts: [
            { ...fact, id: "b" },
            { ...fact, scope: "acme" },
          ],
        },
        key: keys.b,
      },
    ],
    ["/engram/facts?scope=acme", { key: keys.b }],
    ["/engram/facts?scope=acme", { key: keys.b, method: "DELETE" }],
    ["/engram/facts?id=secret&scope=acme", { key: keys.b, method: "DELETE" }],
    ["/engram/facts?all=true", { key: keys.b, method: "DELETE" }],
    ["/engram/snapshots", { key: keys.b }],
    ["/engram/snapshots", { body: { name: "mine" }, key: keys.b }],
    ["/engram/snapshots/x/rollback", { method: "POST", key: keys.b }],
    ["/engram/memory", { key: keys.b }],
    ["/engram/memory/collisions", { key: keys.b }],
    ["/engram/runs", { key: keys.b }],
    ["/metrics", { key: keys.b }],
    ["/engram/corpus", { body: { text: "x" }, key: keys.b }],
  ];
  for (const [path, options] of forbidden) {
    const { status, body } = await ask(path, options);
    assert.equal(status, 403, `${path} ${JSON.stringify(options)}: ${JSON.stringify(body)}`);
  }
  // The same words for a scope that exists and for one that does not.
  const words = async (scope: string): Promise<string> =>
    (await ask(`/engram/facts?scope=${scope}`, { key: keys.b })).body.error.message.replace(
      scope,
      "?",
    );
  assert.equal(await words("acme"), await words("nobody"));
  // By its id in one's own scope: nothing there, and A's is still there.
  assert.deepEqual((await ask("/engram/facts?id=secret", { key: keys.b, method: "DELETE" })).body, {
    forgotten: [],
    learned: [],
  });
  assert.deepEqual((await ask("/engram/facts", { key: keys.b })).body.facts, []);
  assert.equal((await ask("/engram/facts", { key: keys.a })).body.facts.length, 1);
  for (const key of ["", "key-of-tenant-a-0", "key-of-tenant-a-012", "Key-of-tenant-a-01"])
    assert.equal((await ask("/engram/facts", { key })).status, 401, key);
});

test("a scope holds as much as its key may teach", async () => {
  const teach = (n: number, key: string, more: object = {}) =>
    ask("/engram/facts", {
      body: { prompt: `${prompt} no ${n}`, completion: "red", id: `f${n}`, ...more },
      key,
    });
  for (const n of [1, 2]) assert.equal((await teach(n, keys.a)).status, 200);
  const full = await teach(3, keys.a);
  assert.equal(full.status, 400);
  assert.match(full.body.error.message, /scope acme may hold 3 facts, and would have 4/);
  // One that replaces another is no more.
  assert.equal((await teach(2, keys.a, { source: "again" })).status, 200);
  const large = await teach(4, keys.b, { source: "s".repeat(900) });
  assert.match(large.body.error.message, /scope bolt may hold 400 bytes/);
  const all = await ask("/engram/facts?scope=acme", { key: keys.a, method: "DELETE" });
  assert.equal(all.body.forgotten.length, 3);
});

test("a file of keys that could not be meant is refused, without its keys in the message", async () => {
  const [root, a] = keysFile.keys;
  const wrong: readonly [unknown, RegExp][] = [
    [{ keys: [] }, /keys\.json/],
    [{}, /^keys\.json: keys: expected array, got nothing$/],
    [{ keys: [root, root] }, /twice/],
    [{ keys: [{ ...a, scopes: {} }] }, /at least one scope/],
    [{ keys: [{ ...a, sha256: "0".repeat(64) }] }, /in place of it/],
    [{ keys: [{ ...a, key: "short" }] }, /16 to 256/],
    [{ keys: [{ ...a, scopes: { x: "all" } }] }, /keys\.json/],
    [{ keys: [a], more: 1 }, /more/],
  ];
  for (const [file, message] of wrong)
    await assert.rejects(parseApiKeys(JSON.stringify(file), "keys.json"), (error: Error) => {
      assert.match(error.message, message);
      return !error.message.includes("key-of");
    });
  await assert.rejects(parseApiKeys("{key-of", "keys.json"), { message: "keys.json is not JSON" });
  const twice = JSON.stringify({ keys: [a] }).replace('"scopes":{', '"scopes":{"acme":"read",');
  await assert.rejects(
    parseApiKeys(twice, "keys.json"),
    /keys\.json: the name "acme" occurs twice/,
  );
});
