/** Fetching from a stub of the hub: what arrives, and what a cut leaves behind. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { digestOf, isForFile, sendBytes, type Answer } from "../../../test/hub-server.ts";
import {
  commit,
  cutAfter,
  inFolder,
  names,
  onWeights,
  pull,
  pulled,
  random,
  refused,
  small,
  text,
  totalOf,
  weights,
} from "../../../test/pulled-model.ts";
import { parseModelName } from "../index.ts";
import { findCachedModel } from "./index.ts";

test("a model's own files come into the shared layout, and nothing else", async () => {
  const { path, cache, fetchedBytes } = await pulled(small);
  const folder = inFolder(cache);
  assert.equal(path, join(folder, "snapshots", commit));
  assert.deepEqual(readdirSync(path).toSorted(), names);
  for (const name of names) {
    const bytes = small.files[name]!;
    assert.equal(readlinkSync(join(path, name)), `../../blobs/${digestOf(bytes)}`);
    assert.deepEqual(new Uint8Array(readFileSync(join(path, name))), bytes);
  }
  assert.equal(readFileSync(join(folder, "refs", "main"), "utf8"), commit);
  assert.equal(readdirSync(join(folder, "blobs")).length, names.length);
  assert.equal(fetchedBytes, totalOf(small));
});

test("what is there is not fetched again", async () => {
  const { cache } = await pulled(small);
  const again = await pulled(small, { cache });
  assert.equal(again.fetchedBytes, 0);
  assert.ok(!again.requests.some((request) => isForFile(request)));
});

test("a blob of another size than the hub's is replaced", async () => {
  const { cache, path } = await pulled(small);
  truncateSync(join(inFolder(cache), "blobs", digestOf(weights)), 1000);
  await pulled(small, { cache });
  assert.deepEqual(new Uint8Array(readFileSync(join(path, "model.safetensors"))), weights);
});

test("of weights in shards those come that the index names", async () => {
  const shard = "model-00001-of-00001.safetensors";
  const files = {
    ...small.files,
    [shard]: random(4000),
    "model-00002-of-00002.safetensors": random(4000),
    "model.safetensors.index.json": text(JSON.stringify({ weight_map: { a: shard, b: shard } })),
  };
  const { path } = await pulled({ ...small, files });
  assert.deepEqual(
    readdirSync(path).filter((name) => name.endsWith(".safetensors")),
    [shard],
  );
});

test("an index that leads out of the repository is refused", async () => {
  const files = {
    ...small.files,
    "model.safetensors.index.json": text('{"weight_map":{"a":"../../x.safetensors"}}'),
  };
  await refused(/expected the name of a \.safetensors file beside the index/, { ...small, files });
});

test("one GGUF file is a model, and of several one is named", async () => {
  const files = { "a.Q4_0.gguf": random(4000), "b.gguf": random(5000), "README.md": text("x") };
  const content = { ...small, files };
  const { path, cache } = await pulled(content, { name: "owner/repo:a.Q4_0.gguf" });
  assert.equal(path, join(inFolder(cache), "snapshots", commit, "a.Q4_0.gguf"));
  assert.equal(await findCachedModel(cache, parseModelName("owner/repo")!), path);
  await refused(/name one: owner\/repo:a\.Q4_0\.gguf, owner\/repo:b\.gguf/, content);
  await refused(/expected the \.gguf file c\.gguf/, content, { name: "owner/repo:c.gguf" });
});

test("a repository without safetensors says what it has instead", async () => {
  const files = { "config.json": text("{}"), "pytorch_model.bin": random(10) };
  await refused(/it has pytorch_model\.bin, which have to be converted/, { ...small, files });
});

test("a revision gets a name of its own beside the commit", async () => {
  const content = { ...small, revisions: ["v1.0"] };
  const { cache } = await pulled(content, { name: "owner/repo@v1.0" });
  assert.deepEqual(readdirSync(join(inFolder(cache), "refs")), ["v1.0"]);
  const byCommit = await pulled(content, { name: `owner/repo@${commit}` });
  assert.ok(!existsSync(join(inFolder(byCommit.cache), "refs")));
  await refused(/owner\/repo has no revision v2/, content, { name: "owner/repo@v2" });
});

test("a line that breaks again and again is gone on from where it broke", async () => {
  const begins: number[] = [];
  const answer = onWeights((request, response) => {
    begins.push(Number(/\d+/.exec(request.headers.range ?? "0")![0]));
    return begins.length < 6 && cutAfter(50_000, request, response);
  });
  const { fetchedBytes, path } = await pulled(small, { answer });
  assert.deepEqual(new Uint8Array(readFileSync(join(path, "model.safetensors"))), weights);
  assert.equal(begins.length, 6);
  assert.deepEqual(
    begins,
    begins.toSorted((a, b) => a - b),
  );
  assert.equal(new Set(begins).size, 6);
  assert.equal(fetchedBytes, totalOf(small));
});

test("a run that was given up leaves what came, and the next one goes on from there", async () => {
  const deaf = onWeights((request, response) =>
    request.headers.range === undefined
      ? cutAfter(200_000, request, response)
      : (response.writeHead(503).end(), true),
  );
  const first = await refused(/expected 200 OK or 206 Partial Content, got 503/, small, {
    answer: deaf,
  });
  const { cache } = first;
  assert.ok(!existsSync(join(inFolder(cache), "refs")), "half a model has no name");
  const second = await pulled(small, { cache });
  const ranges = second.requests.flatMap(({ headers }) => headers.range ?? []);
  assert.equal(ranges.length, 1);
  assert.match(ranges[0]!, /^bytes=[1-9]\d+-$/);
  assert.ok(second.fetchedBytes < weights.length);
  assert.deepEqual(
    readdirSync(join(inFolder(cache), "blobs")).filter((name) => name.includes("incomplete")),
    [],
  );
});

test("Ctrl-C in the middle leaves what came", async () => {
  const controller = new AbortController();
  const answer = onWeights((_request, response) => {
    response.writeHead(200, { "content-length": weights.length });
    response.write(weights.subarray(0, 100_000));
    return true;
  });
  const { found, cache } = await pull(small, {
    answer,
    signal: controller.signal,
    onProgress({ file, doneBytes }) {
      if (file === "model.safetensors" && doneBytes > 0) controller.abort();
    },
  });
  assert.equal((found as Error).name, "AbortError");
  const second = await pulled(small, { cache });
  assert.ok(second.requests.some(({ headers }) => headers.range !== undefined));
});

test("a server that knows no ranges sends all of it again", async () => {
  let tries = 0;
  const answer = onWeights((request, response) => {
    if (tries++ === 0) return cutAfter(50_000, request, response);
    sendBytes(weights, undefined, response);
    return true;
  });
  const { path } = await pulled(small, { answer });
  assert.deepEqual(new Uint8Array(readFileSync(join(path, "model.safetensors"))), weights);
});

test("a server that knows no ranges and breaks every time is given up", async () => {
  let tries = 0;
  const answer = onWeights((_request, response) => {
    tries++;
    response.writeHead(200, { "content-length": weights.length });
    response.write(weights.subarray(0, 50_000), () => response.destroy());
    return true;
  });
  await refused(/model\.safetensors: .* \(tried 3 times\)/, small, { answer });
  assert.ok(tries <= 5, `${tries} tries`);
});

test("of two pulls that were killed no part is left after the next", async () => {
  const { cache } = await refused(/503/, small, {
    answer: onWeights((_request, response) => (response.writeHead(503).end(), true)),
  });
  const blobs = join(inFolder(cache), "blobs");
  const digest = digestOf(weights);
  for (const name of readdirSync(blobs))
    if (name.includes(".incomplete-")) rmSync(join(blobs, name));
  // No process has a number this large.
  for (const end of ["aa", "bb"])
    writeFileSync(join(blobs, `${digest}.incomplete-4194999-${end}`), weights.subarray(0, 9));
  await pulled(small, { cache });
  assert.equal(readdirSync(blobs).filter((name) => name.startsWith(digest)).length, 1);
});

test("what another process is fetching of the same file stays its own, and both end with the file", async () => {
  const { cache } = await refused(/503/, small, {
    answer: onWeights((_request, response) => (response.writeHead(503).end(), true)),
  });
  const blobs = join(inFolder(cache), "blobs");
  for (const name of readdirSync(blobs))
    if (name.includes(".incomplete-")) rmSync(join(blobs, name));
  // This process's parent lives as long as the test.
  const part = join(blobs, `${digestOf(weights)}.incomplete-${process.ppid}-aa`);
  writeFileSync(part, "what the other one has so far");
  await pulled(small, { cache });
  assert.equal(readFileSync(part, "utf8"), "what the other one has so far");
  assert.ok(readFileSync(join(blobs, digestOf(weights))).equals(weights));
});

test("an answer that begins elsewhere than asked is refused", async () => {
  let tries = 0;
  const answer = onWeights((request, response) => {
    if (tries++ === 0) return cutAfter(50_000, request, response);
    response.writeHead(206, { "content-range": `bytes 7-299999/300000` }).end(weights.subarray(7));
    return true;
  });
  await refused(/asked for the bytes from \d+ of 300000 on, .*"bytes 7-299999\/300000"/, small, {
    answer,
  });
});

test("a body without a length is read to the size of the list", async () => {
  const answer = onWeights((_request, response) => {
    response.writeHead(200, { "transfer-encoding": "chunked" });
    response.end(weights);
    return true;
  });
  const { path } = await pulled(small, { answer });
  assert.equal(statSync(join(path, "model.safetensors")).size, weights.length);
});

test("a body without an end is read no further than the size of the list", async () => {
  const answer = onWeights((_request, response) => {
    response.writeHead(200);
    const more = (): void => {
      if (!response.destroyed) response.write(weights, () => setImmediate(more));
    };
    more();
    return true;
  });
  const { cache } = await refused(/more came than the 300000 bytes of the hub's list/, small, {
    answer,
  });
  const blobs = join(inFolder(cache), "blobs");
  for (const name of readdirSync(blobs)) assert.ok(statSync(join(blobs, name)).size <= 300_000);
});

test("a file with a wrong sum gets no name, and nothing of it is kept", async () => {
  const wrong = Uint8Array.from(weights, (byte, i) => (i === 12_345 ? byte ^ 1 : byte));
  const answer = onWeights((request, response) => {
    sendBytes(wrong, request.headers.range, response);
    return true;
  });
  const { cache } = await refused(/model\.safetensors: expected the digest/, small, { answer });
  const folder = inFolder(cache);
  assert.ok(!existsSync(join(folder, "snapshots")));
  assert.ok(!readdirSync(join(folder, "blobs")).some((name) => name.startsWith(digestOf(weights))));
  const config = Uint8Array.from(small.files["config.json"]!, (byte) => byte ^ 1);
  const answerSmall: Answer = (request, response) => {
    if (!isForFile(request, "config.json")) return false;
    response.end(config);
    return true;
  };
  await refused(/config\.json: expected the digest/, small, { answer: answerSmall });
});

test("a part that was damaged on the disk is fetched anew", async () => {
  const half = onWeights((request, response) =>
    request.headers.range === undefined
      ? cutAfter(200_000, request, response)
      : (response.writeHead(503).end(), true),
  );
  const { cache } = await refused(/503/, small, { answer: half });
  const blobs = join(inFolder(cache), "blobs");
  const part = readdirSync(blobs).find((name) => name.includes(".incomplete-"))!;
  execFileSync(
    "dd",
    ["if=/dev/zero", `of=${join(blobs, part)}`, "bs=1", "count=9", "conv=notrunc"],
    {
      stdio: "ignore",
    },
  );
  const { path } = await pulled(small, { cache });
  assert.deepEqual(new Uint8Array(readFileSync(join(path, "model.safetensors"))), weights);
});
