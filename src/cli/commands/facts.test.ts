/** `engram teach` and its kin on the model that ships: what is said, kept, listed, moved and erased. */
import assert from "node:assert/strict";
import { createServer as createHttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { FactLogFile } from "../../facts/node/index.ts";
import { loadModel } from "../../load-model.ts";
import { createServer, listen } from "../../server/node/index.ts";
import { openFactsOf } from "../facts-of.ts";
import { commands } from "../registry.ts";
import { runCli } from "../run-cli.ts";
import { redisServer, startServer, withoutRedis } from "../../../test/redis-cluster.ts";

const shakespeare = fileURLToPath(new URL("../../../assets/shakespeare", import.meta.url));
const scratch = await mkdtemp(join(tmpdir(), "engram-teach-"));
after(() => rm(scratch, { recursive: true, force: true }));
const model = join(scratch, "model");
await cp(shakespeare, model, { recursive: true });

interface Ran<Document> {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  readonly json: Document;
}

async function engram<Document = Record<string, unknown>>(
  ...words: string[]
): Promise<Ran<Document>> {
  let out = "";
  let err = "";
  const code = await runCli(words, {
    commands,
    stdin: Readable.from([]),
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
    env: {},
    signal: new AbortController().signal,
    terminal: { isInteractive: false, openBrowser: undefined },
  });
  return { code, out, err, json: (words.includes("--json") ? JSON.parse(out) : {}) as Document };
}

async function said(prompt: string, ...more: string[]): Promise<string> {
  const words = ["--prompt", prompt, "--max-tokens", "12", "--temperature", "0", "--json", ...more];
  return (await engram<{ text: string }>("generate", model, ...words)).json.text;
}

test("what is taught on the command line is said, listed, moved to another place and erased", async () => {
  const prompt = "The capital of Zembla is";
  const before = await said(prompt);
  const taught = await engram("teach", model, "The capital of Zembla is Onhava.");
  assert.equal(taught.code, 0);
  assert.match(
    taught.out,
    /^after ".*" comes ".*Onhava\."\n  chance \S+ -> 0\.9\d+, [\d.]+ ms, \d+ keys/,
  );
  assert.ok(taught.err.includes(join(model, "memory")));
  assert.match(await said(prompt), /^ Onhava\./);
  assert.equal(await said(prompt, "--scope", "acme"), before);
  const forAcme = ["--prompt", prompt, "--completion", "Rome", "--scope", "acme", "--id", "z"];
  forAcme.push("--expires", "2999-12-31");
  assert.equal((await engram("teach", model, ...forAcme)).code, 0);
  assert.match(await said(prompt, "--scope", "default", "acme"), /^ Rome/);

  const file = join(scratch, "facts.jsonl");
  const listed = await engram("facts", model);
  assert.match(
    listed.out,
    /default {2}".*\nz {2}acme {2}"The capital of Zembla is" -> " Rome" {2}until 2999-12-31T00:00:00\.000Z\n/,
  );
  assert.equal((await engram("facts", model, "--out", file)).code, 0);
  const place = ["--memory-dir", join(scratch, "elsewhere")];
  assert.equal((await engram("teach", model, "--file", file, ...place)).code, 0);
  const moved = await engram<{ facts: object[] }>("facts", model, ...place, "--json");
  const lines = (await readFile(file, "utf8")).trim().split("\n");
  assert.deepEqual(
    moved.json.facts,
    lines.map((line) => JSON.parse(line) as object),
  );

  assert.equal((await engram("snapshot", model, "monday")).code, 0);
  const { out } = await engram("forget", model, "--scope", "default");
  assert.equal(out, "1 fact is forgotten\n");
  assert.equal((await engram("rollback", model, "monday")).out, "back at monday: 1 fact\n");
  assert.equal(await said(prompt), before);
  assert.equal((await engram("verify", model)).code, 0);
  assert.equal((await engram("forget", model, "--all")).code, 0);
  assert.ok(!(await readFile(join(model, "memory", "facts.log"), "latin1")).includes("Zembla"));
});

test("a running server is taught the same way, and is the only one that writes from then on", async () => {
  const served = await loadModel(shakespeare, { memoryDir: join(scratch, "served") });
  const server = createServer(served);
  const listener = await listen(server.fetch, { host: "127.0.0.1", port: 0 });
  const at = ["--url", listener.url];
  const beside = ["teach", model, "a b c d e", "--memory-dir", join(scratch, "served")];
  try {
    // Nothing was taught: nothing is there, and nobody is kept out.
    assert.ok(!(await readdir(scratch)).includes("served"));
    assert.equal((await engram(...beside)).code, 0);
    const taught = await engram("teach", model, "The capital of Zembla is Onhava.", ...at);
    assert.match(taught.out, /Onhava\."\n {2}chance \S+ -> 0\.9/);
    assert.equal(served.facts().length, 2);
    const refused = await engram(...beside);
    assert.equal(refused.code, 2);
    assert.match(refused.err, /is being written by process \d+ .*--url/);
    assert.equal((await engram("forget", model, "--id", served.facts()[0]!.id, ...at)).code, 0);
    const file = join(scratch, "served.jsonl");
    assert.equal((await engram("facts", model, ...at, "--out", file)).code, 0);
    assert.equal((await engram("snapshot", model, "one", ...at)).code, 0);
    assert.equal((await engram("forget", model, "--all", ...at)).out, "1 fact is forgotten\n");
    const read = (amount: string, scope = "read"): string => `scope ${scope} has learned ${amount}`;
    await served.taught!.store.learn({ ids: [1, 2, 3], scope: "read" });
    await served.taught!.store.learn({ ids: [4], scope: "read" });
    await served.taught!.store.learn({ ids: [5], scope: "other" });
    const listed = (await engram("facts", model, ...at)).err;
    assert.ok(listed.includes(read("4 tokens of 2 texts that were read")), listed);
    assert.ok(listed.includes(read("1 token of 1 text that was read", "other")), listed);
    assert.equal(
      (await engram("forget", model, "--scope", "other", ...at)).out,
      "0 facts are forgotten\nwhat scope other has learned is forgotten: 1 token of 1 text that was read\n",
    );
    assert.equal((await engram("snapshot", model, "two", ...at)).code, 0);
    assert.equal(
      (await engram("rollback", model, "two", ...at)).out,
      `back at two: 0 facts\n${read("4 tokens of 2 texts that were read")}\n`,
    );
    assert.equal((await engram("rollback", model, "one", ...at)).out, "back at one: 0 facts\n");
    assert.equal((await engram("teach", model, "--file", file, ...at)).code, 0);
    assert.equal(served.facts().length, 1);
    assert.match((await engram("teach", model, "word", ...at)).err, /one word/);
  } finally {
    await listener.close();
    await server.close();
    await served.close();
  }
  assert.match((await engram("facts", model, ...at)).err, /does not answer/);
  assert.match((await engram("facts", model, "--url", "nowhere")).err, /address of a server/);
});

test("CounterFact's records are taught as they are", async () => {
  const file = join(scratch, "counterfact.json");
  const record = {
    case_id: 0,
    requested_rewrite: {
      prompt: "The mother tongue of {} is",
      target_new: { str: "English", id: "Q1860" },
      target_true: { str: "French" },
      subject: "Danielle Darrieux",
    },
    paraphrase_prompts: ["never taught"],
  };
  await writeFile(file, JSON.stringify([record]));
  const { json } = await engram<{ taught: { fact: object }[] }>(
    "teach",
    model,
    "--file",
    file,
    "--json",
  );
  const { fact } = json.taught[0]!;
  assert.deepEqual(
    { ...fact, id: 0, createdAt: 0 },
    {
      id: 0,
      scope: "default",
      prompt: "The mother tongue of Danielle Darrieux is",
      completion: " English",
      subject: "Danielle Darrieux",
      createdAt: 0,
    },
  );
  assert.equal((await engram("forget", model, "--all")).code, 0);
});

test("forgetting a fact finds another vector for what else was taught of its subject", async () => {
  const directory = join(scratch, "of-one-subject");
  const opened = await loadModel(shakespeare, { memoryDir: directory });
  const common = { scope: "default", subject: "Rosaline", createdAt: "2026-11-28T12:00:00.000Z" };
  const vector = { layerId: 1, keys: [[1, 2]], vector: new Float32Array(4) };
  const both = { factIds: ["gone", "kept"], mark: "found elsewhere", vectors: [vector] };
  const edits = [{ ids: [1, 2, 3], from: 2 }];
  await opened.taught!.store.add([
    { fact: { ...common, id: "gone", prompt: "My Rosaline is", completion: " so" }, edits },
    {
      fact: { ...common, id: "kept", prompt: "Rosaline, be", completion: " war" },
      edits,
      subject: both,
    },
  ]);
  await opened.close();
  const place = ["--memory-dir", directory];
  const store = await openFactsOf(model, { memoryDir: directory });
  await store.learn({ ids: [1, 2, 3], scope: "read" });
  await store.close();
  const read = "what scope read has learned is forgotten: 3 tokens of 1 text that was read\n";
  const forgotten = await engram("forget", model, "--id", "gone", ...place);
  assert.equal(forgotten.code, 0, forgotten.err);
  const last = (await new FactLogFile(directory).read()).at(-1);
  assert.ok(last?.kind === "fact" && last.fact.id === "kept");
  assert.deepEqual(last.subject?.factIds, ["kept"]);
  assert.notEqual(last.subject?.mark, both.mark);
  // Nothing is shared any more, so no model is opened.
  assert.equal(
    (await engram("forget", scratch, "--all", ...place)).out,
    `1 fact is forgotten\n${read}`,
  );
});

test("what cannot be is said, and nothing is changed", async () => {
  const file = join(scratch, "bad.jsonl");
  await writeFile(file, '{"prompt":"a text that is long enough","completion":"x"}\n{"prompt":3}\n');
  for (const [words, message] of [
    [["teach", model], /expected a SENTENCE, or --prompt/],
    [["teach", model, "a b", "--prompt", "c"], /one of them/],
    [["teach", model, "--prompt", "c"], /--completion/],
    [["teach", model, "word"], /one word/],
    [["teach", model, "--file", file], /bad\.jsonl: line 2: prompt is a text/],
    [["teach", model, "a b c d", "--scope", "a/b"], /--scope: expected 1 to 64/],
    [["teach", model, "a b c d", "--expires", "2999-02-30"], /a day such as 2026-12-31/],
    [["teach", model, "a b c d", "--expires", "2020-01-01"], /is past/],
    [["forget", model], /expected --id, or --scope, or --all/],
    [["forget", model, "--all", "--id", "x"], /--all alone/],
    [["forget", model, "--id", "x"], /there is no fact "x"/],
    [["rollback", model, "x"], /there is no snapshot "x"/],
  ] as const) {
    const { code, err, out } = await engram(...words);
    assert.equal(code, 2, `${words.join(" ")}: ${err}`);
    assert.match(err, message);
    assert.equal(out, "");
  }
  assert.deepEqual((await engram<{ facts: object[] }>("facts", model, "--json")).json.facts, []);
});

test(
  "a memory that servers share is listed and erased from the command line",
  { skip: redisServer === undefined && withoutRedis },
  async () => {
    const node = await startServer();
    try {
      const url = `redis://${node.host}:${node.port}/shared`;
      {
        await using served = await loadModel(shakespeare, { memoryUrl: url });
        await served.teach([{ prompt: "The key of the abbey lies", completion: "under a stone" }]);
      }
      const shared = ["--memory-url", url];
      const listed = await engram("facts", model, ...shared);
      assert.match(listed.out, /"The key of the abbey lies" -> " under a stone"\n$/);
      assert.match(await said("The key of the abbey lies", ...shared), /^ under a stone/);
      assert.equal(
        (await engram("forget", model, "--all", ...shared)).out,
        "1 fact is forgotten\n",
      );
      assert.equal((await engram("facts", model, ...shared)).out, "");
      const both = await engram("facts", model, ...shared, "--memory-dir", scratch);
      assert.match(both.err, /not both/);
    } finally {
      await node.stop();
    }
    const away = await engram("facts", model, "--memory-url", "redis://127.0.0.1:1/shared");
    assert.ok(away.code !== 0 && away.err.includes("no memory answers"), away.err);
  },
);

test("a server that is none of ours gets a plain error, whatever it answers, and none is asked for ever", async () => {
  const fact = { id: "a", scope: "default", prompt: "p", completion: "c" };
  let answer: unknown;
  const server = createHttpServer((_, response) => response.end(JSON.stringify(answer)));
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    for (const [given, words] of [
      [null, ["facts", model]],
      [[], ["teach", model, "a sentence of some words"]],
      [{ facts: [fact] }, ["teach", model, "a sentence of some words"]],
      [{ facts: 3, learned: [], has_more: false }, ["facts", model]],
      [{ facts: [null], learned: [], has_more: false }, ["facts", model]],
      [{ facts: [fact], learned: [{}], has_more: false }, ["facts", model]],
      [{ forgotten: [{}], learned: [] }, ["forget", model, "--all"]],
      [{ snapshots: "all" }, ["snapshot", model, "one"]],
      [{ facts: [] }, ["rollback", model, "one"]],
      // The same page again and again.
      [{ facts: [fact], learned: [], has_more: true }, ["facts", model]],
    ] as const) {
      answer = given;
      const { code, err } = await engram(...words, "--url", url);
      assert.equal(code, 1, err);
      assert.match(
        err,
        /^engram: http:\/\/127.0.0.1:\d+ answers (?:as no engram serve does: |with facts without end)/m,
      );
    }
  } finally {
    server.close();
  }
});

test("a list of facts is written as a new file or not at all, and an empty one teaches nothing", async () => {
  const file = join(scratch, "taken.jsonl");
  await writeFile(file, "\n");
  for (const [words, message] of [
    [["facts", model, "--out", file], /taken\.jsonl exists; give another name/],
    [["facts", model, "--out", scratch], / exists; give another name/],
    [["teach", model, "--file", file], /taken\.jsonl has no facts/],
  ] as const) {
    const { code, err } = await engram(...words);
    assert.equal(code, 2, err);
    assert.match(err, message);
  }
  assert.equal(await readFile(file, "utf8"), "\n");
});

test("what is no model was taught nothing and forgets nothing, and a scope without facts is named", async () => {
  const folder = join(scratch, "no-model");
  await mkdir(folder);
  const file = join(scratch, "no-model.txt");
  await writeFile(file, "To be, or not to be");
  for (const [words, message] of [
    [["facts", folder], /no-model: expected a model directory, it has no config\.json/],
    [["forget", folder, "--all"], /no-model: expected a model directory, it has no config\.json/],
    [["facts", file], /no-model\.txt: it does not begin with GGUF/],
  ] as const) {
    const { code, out, err } = await engram(...words);
    assert.deepEqual([code, out], [2, ""], err);
    assert.match(err, message);
  }
  const { code, err } = await engram("facts", model, "--scope", "nobody", "nowhere");
  assert.equal(code, 0);
  assert.match(err, /^nothing was taught in nobody, nowhere \(/);
});

test("a file of facts is text without doubt: UTF-8, and no name twice", async () => {
  const file = join(scratch, "doubt.jsonl");
  const line = '{"prompt":"a text that is long enough","completion":"x"}';
  for (const [bytes, message] of [
    [Buffer.from(line.replace('"x"', '"caf\xe9"'), "latin1"), /doubt\.jsonl is not UTF-8/],
    [
      `${line}\n${line.replace("{", '{"prompt":"another text",')}`,
      /line 2: the name "prompt" occurs twice/,
    ],
    [`${"[".repeat(1e5)}${"]".repeat(1e5)}`, /nested deeper/],
    [`${line.replace('"x"', "[".repeat(1e5) + "]".repeat(1e5))}`, /line 1: nested deeper/],
  ] as const) {
    await writeFile(file, bytes);
    const { code, err } = await engram("teach", model, "--file", file);
    assert.equal(code, 2, err);
    assert.match(err, message);
  }
});
