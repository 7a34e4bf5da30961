/**
 * One model with its tables in every place that a command may name: the same tokens from all of them, damage and other
 * models' tables refused, and no password to be seen anywhere.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cp, mkdtemp, open, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Redis } from "iovalkey";
import { type Ending, runEngram } from "../engram.ts";
import { startRangeServer } from "../range-server.ts";
import { redisServer, startCluster, type TestCluster, withoutRedis } from "../redis-cluster.ts";

const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const shipped = fileURLToPath(new URL("../../assets/shakespeare", import.meta.url));
const secret = "pa%ss:wo/rd";
const encoded = encodeURIComponent(secret);

const folder = await mkdtemp(join(tmpdir(), "engram-places-"));
after(() => rm(folder, { recursive: true }));
const model = join(folder, "bard");
const tables = join(folder, "tables");
/** The model without its tables. */
const bare = join(folder, "bare");
await cp(shipped, model, { recursive: true });
await cp(shipped, bare, {
  recursive: true,
  filter: (path) => !/model-engram-.*\.safetensors$/.test(path),
});

/** Runs a command to its end. Whatever it says, it says no password. */
async function engram(words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ending> {
  const ending = await runEngram(words, { env: { ...process.env, ...env } });
  checkSecret(ending.stdout + ending.stderr);
  return ending;
}

function checkSecret(text: string): void {
  for (const form of [secret, encoded, Buffer.from(`:${secret}`).toString("base64"), "key-secret"])
    assert.ok(!text.includes(form), `a password is shown: ${text}`);
}

async function generated(
  from: string,
  words: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ text: string; memoryReport: { tiers: { tier: string }[] } }> {
  const sampled = ["--prompt", "ROMEO:", "--max-tokens", "24", "--seed", "3", "--json"];
  const { status, stdout, stderr } = await engram(["generate", from, ...sampled, ...words], env);
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

const expected = generated(model, []);
await engram(["table", "push", model, tables]).then(({ status, stderr }) =>
  assert.equal(status, 0, stderr),
);

function tiersOf({ memoryReport }: Awaited<typeof expected>): string[] {
  return memoryReport.tiers.map(({ tier }) => tier);
}

test("ram, a cache and a directory of table files give the same tokens", async () => {
  for (const [place, tiers] of [
    ["ram", ["ram"]],
    ["cache:64KiB", ["ram", "disk"]],
    [tables, ["ram", "remote"]],
  ] as const) {
    const found = await generated(model, ["--table", place]);
    assert.equal(found.text, (await expected).text, place);
    assert.deepEqual(tiersOf(found), tiers, place);
  }
  assert.equal((await generated(bare, ["--table", tables])).text, (await expected).text);
});

test("places that are none are refused with what a place is", async () => {
  for (const [words, message] of [
    [["--table", "cache:lots"], /expected a size/],
    [["--table", "ram", "--table-memory", "1MiB"], /leave out --table-memory/],
    [["--table", `ftp://u:${encoded}@x/y`], /begins with ftp:/],
    [["--table", `redis://:${encoded}@/x`], /cannot be read/],
    [["--table", `redis://u%zz:${encoded}@x/y`], /cannot be read/],
    [
      ["--table", join(folder, "nowhere")],
      /cannot open the table .*nowhere.*: there is no such file/,
    ],
    [["--table", `redis://:${encoded}@127.0.0.1:1/x`], /no node answers/],
    [
      ["--table", `http://:${encoded}@127.0.0.1:1/x?key-secret`],
      /127\.0\.0\.1:1\/x\/engram-1\.tbl/,
    ],
  ] as const) {
    const { status, stderr } = await engram(["generate", model, "--prompt", "a", ...words]);
    assert.notEqual(status, 0);
    assert.match(stderr, message);
    assert.doesNotMatch(stderr, /bug of engram/);
  }
  const training = ["--data", shipped, "--preset", "tiny", "--out", join(folder, "new")];
  const { status, stderr } = await engram(["train", ...training, "--table", tables]);
  assert.notEqual(status, 0);
  assert.match(stderr, /training can keep its table only/);
});

test("a web server gives the same tokens, to who has its headers", async () => {
  const bytes = new Uint8Array(await readFile(join(tables, "engram-1.tbl")));
  await using server = await startRangeServer(bytes, ({ headers, url }, response) => {
    if (headers["x-key"] === "key-secret" && url === "/t/engram-1.tbl") return false;
    response.writeHead(403).end();
    return true;
  });
  const env = { ENGRAM_TABLE: `${server.origin}/t/`, ENGRAM_TABLE_HEADERS: "X-Key: key-secret\n" };
  const found = await generated(bare, [], env);
  assert.equal(found.text, (await expected).text);
  assert.deepEqual(tiersOf(found), ["ram", "remote"]);
  const verified = await engram(["table", "verify", model], env);
  assert.equal(verified.status, 0, verified.stderr);
  const { status, stderr } = await engram(["table", "verify", model, env.ENGRAM_TABLE]);
  assert.notEqual(status, 0);
  assert.match(stderr, /403 Forbidden/);
  const pushed = await engram(["table", "push", model], env);
  assert.match(pushed.stderr, /push them into a directory and copy it there/);
});

test("verify finds a damaged row, and a table of another training; a command does not start with it", async () => {
  const name = (await readdir(model)).find((file) => file.startsWith("model-engram-"))!;
  const other = join(folder, "other");
  await cp(model, other, { recursive: true });
  const whole = await readFile(join(other, name));
  const { length } = whole;
  // Codes of all rows, then their scales: another code in each row.
  const start = 8 + Number(whole.readBigUInt64LE(0));
  for (let at = start; at < length - 48_100 * 3; at += 16) whole[at]! ^= 1;
  const file = await open(join(other, name), "r+");
  await file.write(whole, 0, length, 0);
  await file.close();
  const words = ["generate", other, "--prompt", "a", "--table", tables];
  const unsound = await engram(words);
  assert.notEqual(unsound.status, 0, "what the directory has must be sound to be compared with");
  assert.match(unsound.stderr, /model-engram-00001-of-00001\.safetensors.*sum/);
  // Another training has sums of its own.
  await rm(join(other, "manifest.json"));
  for (const { status, stderr } of [
    await engram(words),
    await engram(["table", "verify", other, tables]),
  ]) {
    assert.notEqual(status, 0);
    assert.match(stderr, /layer 1: row \d+ is another one there/);
  }
  const damaged = join(folder, "damaged");
  await cp(tables, damaged, { recursive: true });
  const table = await open(join(damaged, "engram-1.tbl"), "r+");
  const { size } = await table.stat();
  await table.write(Uint8Array.of(0x5a, 0xa5, 0x5a), 0, 3, size - 20_001);
  await table.close();
  const { status, stderr } = await engram(["table", "verify", model, damaged]);
  assert.notEqual(status, 0);
  assert.match(stderr, /engram-1\.tbl: block \d+ \(rows .*does not match its checksum/);
});

describe("in a Redis cluster", { skip: redisServer === undefined && withoutRedis }, () => {
  let cluster: TestCluster;
  let nodes: Redis[] = [];
  let address = "";
  before(async () => {
    cluster = await startCluster();
    nodes = cluster.nodes.map(({ host, port }) => new Redis({ host, port }));
    for (const node of nodes) await node.config("SET", "requirepass", secret);
    address = `redis://:${encoded}@127.0.0.1:${cluster.nodes[0]!.port}/bard`;
    const { status, stderr } = await engram(["table", "push", model, address]);
    assert.equal(status, 0, stderr);
  });
  after(async () => {
    for (const node of nodes) node.disconnect();
    await cluster?.stop();
  });

  test("the same tokens, from a model that has no tables of its own, too", async () => {
    for (const from of [model, bare]) {
      const found = await generated(from, ["--table", address, "--table-memory", "64KiB"]);
      assert.equal(found.text, (await expected).text);
      assert.deepEqual(tiersOf(found), ["ram", "remote"]);
    }
    const { status, stderr } = await engram(["table", "verify", model, address]);
    assert.equal(status, 0, stderr);
  });

  test("a wrong password, and a name that is not there, are refused", async () => {
    for (const [wrong, message] of [
      [address.replace(encoded, "other"), /no node answers|cannot be read/],
      [address.replace("/bard", "/none"), /no table of that name/],
    ] as const) {
      const { status, stderr } = await engram(["table", "verify", model, wrong]);
      assert.notEqual(status, 0);
      assert.match(stderr, message);
    }
  });

  test("serve answers from there, and none of its pages shows the password", async () => {
    const env = { ...process.env, ENGRAM_TABLE: address };
    const child = spawn(process.execPath, [main, "serve", bare, "--port", "0", "--json"], { env });
    let log = "";
    child.stderr.on("data", (part) => (log += part));
    try {
      const [line] = await new Promise<string[]>((resolve, reject) => {
        createInterface(child.stdout).once("line", (text) => resolve([text]));
        child.once("close", () => reject(new Error(log)));
      });
      const { url } = JSON.parse(line!) as { url: string };
      const completion = await fetch(`${url}/v1/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ prompt: "ROMEO:", max_tokens: 8, temperature: 0 }),
      });
      assert.equal(completion.status, 200, await completion.clone().text());
      for (const path of [
        "/props",
        "/metrics",
        "/engram/memory",
        "/health",
        "/v1/models",
        "/slots",
      ])
        checkSecret(await (await fetch(`${url}${path}`)).text());
      assert.match(await (await fetch(`${url}/metrics`)).text(), /remote/);
      // What is overwritten while it is served is an error, and says no password either.
      for (const node of nodes)
        for (const key of await node.keys("engram:bard/1:*"))
          if (!key.endsWith(":meta")) await node.set(key, "somebody else's");
      const answers = [];
      for (const prompt of ["Exeunt all the kings", "zebra, quartz!", "What is 1,234?"])
        answers.push(
          await fetch(`${url}/v1/completions`, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify({ prompt, max_tokens: 8, temperature: 0 }),
          }),
        );
      assert.ok(
        answers.some(({ status }) => status === 500),
        "rows that are not cached are asked for",
      );
      for (const answer of answers) checkSecret(await answer.text());
      checkSecret(log);
    } finally {
      child.kill("SIGKILL");
    }
  });
});
